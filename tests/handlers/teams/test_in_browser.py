"""Cards with hostile texts in a browser, by Microsoft's renderer: `make test-browser`."""

from typing import TYPE_CHECKING

import pytest

from handlers.content.text import one_line
from tests.handlers.content.hostile import HOSTILE
from tests.handlers.teams.rendered import page_of
from tests.handlers.teams.test_card import HISTORY, hostile_card
from tests.kit.chromium import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Dialog

pytestmark = [pytest.mark.browser, pytest.mark.services, pytest.mark.no_cover]


def test_hostile_texts_are_shown_as_texts() -> None:
    """They run nothing, load nothing, and are no links."""
    texts = {f"text{number}": text for number, text in enumerate(HOSTILE.values())}
    done: list[str] = []

    def dismiss(dialog: "Dialog") -> None:
        done.append(dialog.message)
        dialog.dismiss()

    with chromium() as browser:
        page = browser.new_page()
        page.on("request", lambda request: done.append(request.url))
        page.on("dialog", dismiss)
        page.set_content(page_of({name: hostile_card(text) for name, text in texts.items()}))
        for name, text in texts.items():
            shown = page.locator(f"#{name}")
            assert shown.locator("a, img, script, form, iframe, input").count() == 0
            words = one_line(text, 40).rstrip("…")
            assert words in " ".join(str(shown.text_content()).replace("\N{WORD JOINER}", "").split())
            titles = [str(button.text_content()) for button in shown.locator("button").all()]
            assert titles[-2:] == [HISTORY.label, "Details"]
    assert [url for url in done if not url.startswith("about:")] == []
