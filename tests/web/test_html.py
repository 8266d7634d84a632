"""What templates show of texts, and to which addresses they link."""

from pathlib import Path

import pytest

from web.exchange import Request
from web.html import address, is_link

TEMPLATES = sorted((Path(__file__).parents[2] / "web" / "templates").glob("*.html"))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_switches_escaping_off(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert not [word for word in ("safe", "autoescape", "Markup", "style=") if word in text]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("https://ml.azure.com/runs/a?wsid=/subscriptions/1", True),
        ("https://portal.azure.us/#resource", True),
        ("https://adf.azure.com/en/monitoring", True),
        ("http://ml.azure.com/runs/a", False),
        ("https://ml.azure.com.example/runs", False),
        ("https://ml.azure.com@example.com/", False),
        ("https://evil.ml.azure.com/", False),
        ("javascript:alert(1)//https://ml.azure.com/", False),
        (" https://ml.azure.com/", False),
        ("https://ml.azure.com/a b", False),
        ("https://ml.azure.com/\u202e", False),
        ("https://ml.azure.com/" + "x" * 3_000, False),
        ("", False),
    ],
)
def test_pages_link_to_pages_of_azure_only(text: str, is_one: bool) -> None:
    assert is_link(text) == is_one


def test_addresses_leave_out_empty_values() -> None:
    assert address("/api/web", "", "events", rule="a&b", text="", after=None) == "/api/web/events?rule=a%26b"
    assert address("/api/web", "k") == "/api/web?code=k"
    assert address("/web", "", "a b/\ud800") == "/web/a%20b/%3F"


@pytest.mark.parametrize(
    ("url", "path", "base"),
    [
        ("https://x/api/web", "", "/api/web"),
        ("https://x/api/web/", "", "/api/web"),
        ("https://x/web/events/2026-11-22/1?a=b", "events/2026-11-22/1", "/web"),
        ("https://x/web/web/web", "web", "/web/web"),
    ],
)
def test_base_of_the_addresses_is_that_of_the_request(url: str, path: str, base: str) -> None:
    assert Request(url, path).base == base
