"""A mail as it was sent: its headers, its text, and its HTML in a frame that nothing leaves."""

from pathlib import Path
from uuid import UUID

import pytest

from dispatch.inbox.history.sent import Sent
from dispatch.inbox.tables import Row
from handlers.email.address import Mailbox
from handlers.email.message import Mail
from mlevents.testing.storage import NOW
from schemas import RunStatusChanged
from tests.kit.hostile import TEXTS
from tests.kit.world import World, rule, rules
from tests.web.browser import BASE, Browser, Page
from tests.web.conftest import at
from tests.web.hostile import SCRIPT

MAIL = {
    "from": "Events <events@example.com>",
    "to": "a@example.com",
    "subject": "It failed",
    "text": "Why",
    "html": "<p>",
}


def browser_of(folder: Path, texts: dict[str, str], *left_out: str) -> Browser:
    """A browser of a world with an action that has sent these texts."""
    world = World(rules(rule("mail"), rule("other")), folder)
    world.receive(RunStatusChanged.example(id="e1", runId="one", eventTime=at(minutes=1)))
    world.run()
    [id] = [id for id, _ in world.history().actions if id.rule == "mail"]
    [row] = world.table.read(id.day, id.row, id.row + "!")
    world.table.commit(id.day, Sent(NOW, texts, left_out).row(id, 1), Row(row.key, {**row.values, "sent": 1}, row.etag))
    return Browser(world)


def mail_page(browser: Browser) -> Page:
    [link] = [link for link in browser.page(browser.first_event()).links if "/sent/" in link]
    return browser.follow(link)


def test_mail_is_shown_as_it_was_sent(tmp_path: Path) -> None:
    browser = browser_of(tmp_path, MAIL)
    page = mail_page(browser)
    assert browser.counted.queries == 1
    assert page.all("h1")[0].text == "It failed"
    assert "Sent 2026-11-22 09:00:00 From Events <events@example.com> To a@example.com" in page.text
    assert "Text version Why" in page.text
    [frame] = page.all("iframe")
    assert frame.attributes["sandbox"] is None
    assert frame.attributes["title"]
    shown = browser.ask(str(frame.attributes["src"]).removeprefix(f"{BASE}/"))
    assert (shown.status, shown.body) == (200, "<p>")


def test_frame_runs_and_loads_nothing_and_cannot_be_left(tmp_path: Path) -> None:
    browser = browser_of(tmp_path, MAIL)
    headers = browser.ask(
        str(mail_page(browser).all("iframe")[0].attributes["src"]).removeprefix(f"{BASE}/")
    ).all_headers
    parts = [part.strip() for part in headers["Content-Security-Policy"].split(";")]
    assert parts[:2] == ["sandbox", "default-src 'none'"]
    assert not [part for part in parts if part.startswith("script-src")]
    assert {"form-action 'none'", "img-src data:", "frame-ancestors 'self'"} <= set(parts)
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_mail_without_html_has_no_frame(tmp_path: Path) -> None:
    page = mail_page(browser_of(tmp_path, {"text": "a\nb", "to": "x"}, "html"))
    assert not page.all("iframe")
    assert "Without a subject" in page.text
    assert "Too long to be kept: html." in page.text
    assert page.all("pre")[0].text == "a\nb\n"


@pytest.mark.parametrize("text", [SCRIPT, "javascript:alert(1)", *TEXTS])
def test_hostile_mail_is_shown_as_text(tmp_path: Path, text: str) -> None:
    page = mail_page(browser_of(tmp_path, dict.fromkeys(("from", "to", "subject", "text", "html", text or "x"), text)))
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert all(c.isprintable() or c == "\n" for c in page.html)
    assert all(link.startswith((BASE, "#main")) for link in page.links)


def test_action_that_has_sent_nothing_has_no_such_page(tmp_path: Path) -> None:
    browser = browser_of(tmp_path, MAIL)
    event = browser.first_event()
    for path in ("sent/other", "sent/other/html", "sent/gone"):
        browser.page(f"{event}/{path}", 404)
    browser.page("events/today/x/sent/mail", 400)


def test_mail_is_kept_by_its_parts() -> None:
    mail = Mail(UUID(int=1), Mailbox("events@example.com", "Events"), ("a@example.com",), "It failed", "Why", "<p>")
    assert mail.texts == MAIL
    assert mail.sent("SMTP", mail.recipients).sent == MAIL
