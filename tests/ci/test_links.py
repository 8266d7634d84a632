"""`make links`: a link to another site that leads nowhere fails it; one that cannot be checked does not."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

import links
from links import links_in, main

ANSWERS: dict[str, int | Exception] = {
    "https://example.com/here": 200,
    "https://example.com/for-members": 403,
    "https://example.com/gone": 404,
    "https://offline.example.com/": requests.ConnectionError("no route"),
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without pages, and a network that gives these answers."""

    def get(link: str, **_: Any) -> SimpleNamespace:
        answer = ANSWERS[link]
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(status_code=answer)

    monkeypatch.setattr(requests, "get", get)
    monkeypatch.setattr(links, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    return tmp_path


def test_links_are_found_without_anchors_and_outside_of_blocks(project: Path) -> None:
    page = project / "docs" / "a.md"
    page.write_text("[a](https://example.com/x#y) [b](c.md)\n```\n[d](https://example.com/z)\n```\n")
    assert links_in([page]) == {"https://example.com/x": ["docs/a.md"]}


def test_links_that_work_or_cannot_be_checked_do_not_fail(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    urls = [url for url, answer in ANSWERS.items() if answer != 404]
    (project / "a.md").write_text("".join(f"[a]({url})\n" for url in urls))
    assert main() == 0
    assert capsys.readouterr().out == "https://offline.example.com/: not checked: ConnectionError\n"


def test_a_link_that_leads_nowhere_is_reported_with_its_page(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "docs" / "a.md").write_text("[a](https://example.com/gone)")
    assert main() == 1
    assert capsys.readouterr().out == "https://example.com/gone: 404, in docs/a.md\n"
