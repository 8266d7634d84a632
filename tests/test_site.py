"""The documentation as a site: mkdocs.yml names each page, and links lead to files of the site.

`make docs` builds it in strict mode, which finds links and anchors that lead nowhere. These tests need no MkDocs.
"""

import re
from pathlib import Path

import pytest

from docs.site.links import in_site, loaded_from_elsewhere, page_of, rewritten, targets

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CONFIGURATION = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
PAGES = sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


def test_the_navigation_names_each_page_once() -> None:
    """To fix a failure, add a line for the page under `nav:` in mkdocs.yml."""
    _, _, navigation = CONFIGURATION.partition("\nnav:\n")
    named = re.findall(r"^ +- (?:[^:\n]+: )?(\S+\.md)$", navigation, re.MULTILINE)
    assert sorted(named) == sorted(["index.md", *PAGES])


def test_the_index_of_decisions_names_each() -> None:
    index = (DOCS / "decisions/README.md").read_text(encoding="utf-8")
    decisions = [page.removeprefix("decisions/") for page in PAGES if page.startswith("decisions/0")]
    assert re.findall(r"\]\((0.*?\.md)\)", index) == decisions


@pytest.mark.parametrize(
    ("page", "text", "written"),
    [
        ("rules.md", "[a](events.md#drift)", "[a](events.md#drift)"),
        ("rules.md", "[a](#on)", "[a](#on)"),
        ("rules.md", "[a](https://example.com/rules.md)", "[a](https://example.com/rules.md)"),
        ("rules.md", "[a](decisions)", "[a](decisions/README.md)"),
        ("rules.md", "[a](../README.md#a-rule)", "[a](index.md#a-rule)"),
        ("rules.md", "[a](nowhere.md)", "[a](nowhere.md)"),
        ("handlers/email.md", "[a](../../CHANGELOG.md)", "[a](../project/CHANGELOG.md)"),
        ("handlers/email.md", "[a](../../samples/rules/churn.yaml)", "[a](../project/samples/rules/churn.yaml.md)"),
        ("handlers/email.md", '<img src="../pictures/mail.png">', '<img src="../pictures/mail.png">'),
        (
            "rules.md",
            "```text\n[a](decisions)\n```\n[a](decisions)",
            "```text\n[a](decisions)\n```\n[a](decisions/README.md)",
        ),
    ],
)
def test_links_lead_to_files_of_the_site(page: str, text: str, written: str) -> None:
    assert rewritten(text, DOCS / page, page) == written


def test_links_of_the_readme_lead_to_files_of_the_site() -> None:
    """It is the site's first page."""
    text = '[a](docs/rules.md) [b](LICENSE) <img src="docs/pictures/mail.png">'
    written = '[a](rules.md) [b](project/LICENSE.md) <img src="pictures/mail.png">'
    assert in_site(ROOT / "README.md") == "index.md"
    assert rewritten(text, ROOT / "README.md", "index.md") == written


def test_linked_files_outside_of_docs_are_found() -> None:
    text = "[a](../LICENSE) [b](rules.md#on) [c](https://example.com) [d](nowhere.md)\n```text\n[e](log.md)\n```\n"
    assert list(targets(text, DOCS)) == [ROOT / "LICENSE", DOCS / "rules.md"]


def test_a_file_that_is_no_page_becomes_a_block() -> None:
    text = page_of(ROOT / "samples/rules/workspaces.yaml")
    assert text.startswith("# workspaces.yaml\n\n`samples/rules/workspaces.yaml`\n\n````yaml\n")
    assert text.endswith("\n````\n")
    assert page_of(ROOT / "CHANGELOG.md") == (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("html", "loads"),
    [
        ('<script src="https://unpkg.com/x"></script>', True),
        ("<script defer src=//unpkg.com/x></script>", True),
        ('<img alt="" src="http://example.com/x.png">', True),
        ('<link rel="stylesheet" href="https://fonts.googleapis.com/css">', True),
        ('<link href="https://fonts.gstatic.com" rel="preconnect" crossorigin>', True),
        ('<script src="../assets/x.js"></script><a href="https://example.com">x</a>', False),
        ('<link rel="canonical" href="https://example.com/">', False),
    ],
)
def test_files_that_a_page_loads_from_other_sites_are_found(html: str, *, loads: bool) -> None:
    assert bool(loaded_from_elsewhere(html)) is loads


@pytest.mark.parametrize("page", PAGES)
def test_messages_in_diagrams_have_no_semicolon(page: str) -> None:
    """Mermaid would end the message there, and draw nothing."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for diagram in re.findall(r"^```mermaid\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        assert ";" not in diagram
