"""Replay, pause and resume: a question, and then a form that only an operator of this site can send."""

from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.inbox.pauses import Pause
from dispatch.replay.who import user
from schemas import RunStatusChanged
from tests.kit.world import World, rule, rules
from tests.web.browser import BASE, Browser, Page, asking
from tests.web.conftest import at
from tests.web.test_access import ROLE, SIGNED_IN, principal
from web.exchange import Response
from web.forgery import LIFETIME
from web.operations import MOST

OWN = {"sec-fetch-site": "same-origin"}
OPERATED = {**SIGNED_IN, "MLEVENTS_WEB_OPERATORS": ROLE}


def world_of(folder: Path, *texts: str, events: int = 1) -> World:
    world = World(rules(*texts), folder)
    for n in range(events):
        world.receive(RunStatusChanged.example(id=f"e{n}", runId=f"run_{n}", eventTime=at(minutes=n + 1)))
    return world


def opened(
    browser: Browser, path: str, headers: dict[str, str] | None = None
) -> tuple[Page, dict[str, str], dict[str, str]]:
    """A question, the fields of its form, and the headers of a browser that sends it."""
    response = browser.ask(path, headers)
    assert response.status == 200, response.body
    page, cookie = Page(response.body), response.headers["Set-Cookie"].partition(";")[0]
    fields = {
        str(each.attributes["name"]): str(each.attributes["value"])
        for each in page.all("input")
        if each.attributes.get("type") == "hidden"
    }
    return page, fields, {**(headers or {}), **OWN, "cookie": cookie}


def sent(browser: Browser, path: str, /, **fields: str) -> Response:
    """The response to the form of a question."""
    _, form, headers = opened(browser, path)
    return browser.post(path.partition("?")[0], headers, **{**form, **fields})


def after(browser: Browser, response: Response) -> Page:
    """The page to which a form leads."""
    assert response.status == 303, response.body
    return browser.follow(response.headers["Location"])


class TestReplay:
    def test_action_runs_again_and_its_timeline_says_by_whom(self, tmp_path: Path) -> None:
        world = world_of(tmp_path, rule("ring"), rule("done"))
        world.run()
        browser = Browser(world)
        [link] = [each for each in browser.page(browser.first_event()).links if each.endswith("rule=ring")]
        page = browser.follow(link)
        assert "ring runs again succeeded: done" in page.text
        result = after(browser, sent(browser, link.removeprefix(f"{BASE}/")))
        assert "To run again: 1 action." in result.text
        assert f"pending replayed by {user()}" in result.text
        world.run()
        assert [call.action.rule for call in world.calls].count("ring") == 2
        assert world.actions["ring"].timeline[3].note == f"replayed by {user()}"

    def test_replay_of_an_event_leaves_what_succeeded(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        world = world_of(tmp_path, rule("good"), rule("bad", "give-up no"), rule("open", "wait 3600"))
        world.step(3)
        browser, caplog.records[:] = Browser(world), []
        path = f"replay?event={browser.first_event().removeprefix('events/')}"
        text = opened(browser, path)[0].text
        assert (
            "bad runs again failed: no good is left as it is succeeded: done open has not ended, and is called" in text
        )
        with caplog.at_level("INFO"):
            result = after(browser, sent(browser, path))
        assert "To run again: 2 actions." in result.text
        assert f"queued again by a replay by {user()}" in result.text
        assert f'event.replayed id=e0 type=RunStatusChanged replayed=bad made="" by={user()}' in caplog.text

    def test_question_without_an_effect_has_no_button(self, tmp_path: Path) -> None:
        world = world_of(tmp_path, rule("good"))
        world.run()
        browser = Browser(world)
        path = f"replay?event={browser.first_event().removeprefix('events/')}"
        assert "No action would run." in browser.page(path).text
        assert [button.text for button in browser.page(path).all("button")] == ["Find"]
        assert "Nothing has changed." in after(browser, sent(browser, path)).text

    def test_failed_actions_are_counted_and_replayed(self, tmp_path: Path) -> None:
        world = world_of(tmp_path, rule("bad", "give-up no", "succeed"), rule("worse", "give-up no"), events=3)
        world.run()
        browser = Browser(world)
        assert not [link for link in browser.page("events").links if "/replay-failed" in link]
        [link] = [
            link for link in browser.page("events", status="failed", rule="bad").links if "/replay-failed" in link
        ]
        page = browser.follow(link)
        assert "3 failed actions of 3 events." in page.text
        assert "bad runs again 3 failed" in page.text
        assert "To run again: 3 actions." in after(browser, sent(browser, link.removeprefix(f"{BASE}/"))).text
        assert "6 failed actions of 3 events." not in browser.page("replay-failed").text
        assert "3 failed actions of 3 events." in browser.page("replay-failed").text
        assert "To run again: 3 actions." in after(browser, sent(browser, "replay-failed")).text
        assert "0 failed actions of 0 events." in browser.page("replay-failed").text
        assert "Nothing has changed." in after(browser, sent(browser, "replay-failed")).text

    def test_action_that_fails_after_the_question_is_not_replayed(self, tmp_path: Path) -> None:
        """Its event is later than the question."""
        world = world_of(tmp_path, rule("bad", "give-up no"))
        world.run()
        browser = Browser(world)
        _, form, headers = opened(browser, "replay-failed")
        world.clock.forward(minutes=5)
        world.receive(RunStatusChanged.example(id="late", eventTime=at(minutes=-4)))
        world.run()
        assert "To run again: 1 action." in after(browser, browser.post("replay-failed", headers, **form)).text

    def test_one_form_replays_a_bounded_number_of_events(self, tmp_path: Path) -> None:
        world = world_of(tmp_path, rule("bad", "give-up no"), events=MOST + 1)
        world.run()
        browser = Browser(world)
        page, form, headers = opened(browser, "replay-failed")
        assert browser.counted.queries <= 3
        assert f"{MOST} failed actions of {MOST} events. There are older events to compare" in page.text
        text = after(browser, browser.post("replay-failed", headers, **form)).text
        assert f"To run again: {MOST} actions. Others are left: repeat it." in text
        assert "1 failed action of 1 event." in browser.page("replay-failed").text


class TestPause:
    def test_rule_is_paused_for_a_while_and_resumed(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        world = world_of(tmp_path, rule("ring"), rule("other"))
        browser = Browser(world)
        with caplog.at_level("INFO"):
            page = after(browser, sent(browser, "pause?rule=ring", **{"for": "2h"}))
        assert "Paused. Within ten seconds, all workers know of it" in page.text
        assert f"ring paused by {user()} since 2026-11-22 09:00:00, until 2026-11-22 11:00:00 UTC" in page.text
        assert [each.text.split() for each in page.all("h2") if each.attributes.get("id", "").startswith("rule-")] == [  # type: ignore[union-attr]
            ["ring", "paused"],
            ["other"],
        ]
        assert f"rule.paused rule=ring by={user()} until=2026-11-22T11:00:00+00:00" in caplog.text
        world.step(2)
        assert world.ends() == {"ring": "waiting", "other": "succeeded"}
        with caplog.at_level("INFO"):
            page = after(browser, sent(browser, "resume?rule=ring"))
        assert "Resumed. To run in ten seconds: 1 action." in page.text
        assert f"rule.resumed rule=ring by={user()} called=1" in caplog.text
        world.run()
        assert world.ends() == {"ring": "succeeded", "other": "succeeded"}

    def test_all_rules_are_paused_and_resumed(self, tmp_path: Path) -> None:
        browser = Browser(world_of(tmp_path, rule("ring")))
        page = after(browser, sent(browser, "pause", **{"for": ""}))
        assert f"all rules are paused by {user()}" in page.text
        after(browser, sent(browser, "pause?rule=ring", **{"for": "30m"}))
        assert "Resumed, but all rules are paused." in after(browser, sent(browser, "resume?rule=ring")).text
        assert "all rules is resumed" in opened(browser, "resume")[0].text
        assert "Resumed. To run in ten seconds: 0 actions." in after(browser, sent(browser, "resume")).text
        assert "Nothing is paused." in browser.page("resume").text
        assert "Nothing has changed." in after(browser, sent(browser, "resume")).text

    def test_pause_of_a_rule_that_is_gone_can_end(self, tmp_path: Path) -> None:
        world = world_of(tmp_path, rule("ring"))
        world.app.inbox.pauses.begin(Pause("gone", "alice", world.clock()))
        browser = Browser(world)
        assert f"{BASE}/resume?rule=gone" in browser.page("rules").links
        after(browser, sent(browser, "resume?rule=gone"))
        assert not world.app.inbox.pauses.all(world.clock())

    def test_form_calls_a_bounded_number_of_actions(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("web.operations.MOST_CALLED", 2)
        world = world_of(tmp_path, rule("ring"), events=3)
        browser = Browser(world)
        after(browser, sent(browser, "pause", **{"for": ""}))
        world.step(3)
        assert "To run in ten seconds: 2 actions." in after(browser, sent(browser, "resume")).text


@pytest.mark.parametrize(
    ("path", "form", "status", "says"),
    [
        ("pause?rule=ring", {"for": "9y"}, 400, "for is '9y'; choose a time of the form"),
        ("pause?rule=ring", {"rule": "gone"}, 404, "There is no rule 'gone' in force."),
        ("replay-failed", {"from": "x"}, 400, "from is 'x'; write a date"),
    ],
)
def test_invalid_forms_say_what_is_wrong(
    tmp_path: Path, path: str, form: dict[str, str], status: int, says: str
) -> None:
    response = sent(Browser(world_of(tmp_path, rule("ring"))), path, **form)
    assert (response.status, says in Page(response.body).text) == (status, True)


@pytest.mark.parametrize(
    ("path", "status"),
    [("replay", 400), ("replay?event=2026-11-22/12345678-" + "0" * 32, 404), ("pause?rule=gone", 404)],
)
def test_questions_about_what_does_not_exist_say_so(browser: Browser, path: str, status: int) -> None:
    browser.page(path, status)


class TestForgery:
    @pytest.mark.parametrize(
        ("changes", "fields", "says"),
        [
            ({"sec-fetch-site": "cross-site"}, {}, "This form is refused"),
            ({"sec-fetch-site": ""}, {}, "This form is refused"),
            ({"sec-fetch-site": "", "origin": "null"}, {}, "This form is refused"),
            ({"cookie": ""}, {}, "This form has expired"),
            ({"cookie": "mlevents=" + "a" * 43}, {}, "This form has expired"),
            ({}, {"token": ""}, "This form has expired"),
            ({}, {"token": "9999999999." + "0" * 64}, "This form has expired"),
        ],
    )
    def test_form_of_another_site_changes_nothing(
        self, tmp_path: Path, changes: dict[str, str], fields: dict[str, str], says: str
    ) -> None:
        world = world_of(tmp_path, rule("ring"))
        browser = Browser(world)
        _, form, headers = opened(browser, "pause?rule=ring")
        response = browser.post("pause", {**headers, **changes}, **{**form, "for": "", **fields})
        assert response.status == 403
        assert says in Page(response.body).text
        assert not world.app.inbox.pauses.all(world.clock())

    def test_old_form_has_expired(self, tmp_path: Path) -> None:
        world = world_of(tmp_path, rule("ring"))
        browser = Browser(world)
        _, form, headers = opened(browser, "pause?rule=ring")
        world.clock.time += LIFETIME + timedelta(seconds=1)
        assert "It is older than two hours" in browser.post("pause", headers, **form).body

    def test_browser_keeps_its_cookie(self, browser: Browser) -> None:
        """So that forms in several tabs are valid."""
        _, _, headers = opened(browser, "pause")
        assert browser.ask("resume", headers).headers["Set-Cookie"].startswith(headers["cookie"])

    @pytest.mark.parametrize(
        ("type", "body"),
        [
            ("application/json", b"{}"),
            ("text/plain", b"token=1"),
            ("", b""),
            ("application/x-www-form-urlencoded", b"a=" + b"x" * 60_000),
            ("application/x-www-form-urlencoded", b"a=1&" * 60),
            ("application/x-www-form-urlencoded", b"a=\xff"),
        ],
    )
    def test_other_bodies_are_refused(self, browser: Browser, type: str, body: bytes) -> None:
        from web.exchange import Request
        from web.site import serve

        headers = {"content-type": type, **OWN}
        request = Request(f"{browser.origin}{BASE}/pause", "pause", {}, headers, "POST", body)
        assert serve(request, browser.app, browser.settings).status == 400

    @pytest.mark.parametrize("path", ["", "events", "rules", "style", "missing"])
    def test_pages_accept_no_forms(self, browser: Browser, path: str) -> None:
        assert browser.post(path, OWN).status == 404


class TestOperators:
    @pytest.mark.parametrize(
        ("settings", "headers", "may"),
        [
            (OPERATED, principal(("roles", ROLE)), True),
            (OPERATED, principal(("roles", "Events.Other")), False),
            (SIGNED_IN, principal(("roles", ROLE)), False),
            ({**OPERATED, "MLEVENTS_WEB_OPERATORS": " ,"}, principal(("roles", ROLE), ("groups", "")), False),
            ({"MLEVENTS_WEB": "key", "MLEVENTS_WEB_OPERATORS": ROLE}, principal(("roles", ROLE)), False),
        ],
    )
    def test_only_listed_users_may_change_something(
        self, world: World, settings: dict[str, str], headers: dict[str, str], may: bool
    ) -> None:
        with asking(world, **settings) as browser:
            rules_page = Page(browser.ask("rules", headers).body)
            assert any("/pause" in link for link in rules_page.links) == may
            asked, posted = browser.ask("pause", headers), browser.post("pause", {**headers, **OWN})
        assert (asked.status, "Set-Cookie" in asked.headers) == ((200, True) if may else (403, False))
        assert posted.status == 403  # of an operator, for want of a token
        if not may:
            assert "MLEVENTS_WEB_OPERATORS" in asked.body
            assert "MLEVENTS_WEB_OPERATORS" in posted.body

    def test_operators_may_look_though_they_are_no_readers(self, world: World) -> None:
        with asking(world, **OPERATED, MLEVENTS_WEB_READERS="Events.Other") as browser:
            assert browser.ask("", principal(("roles", ROLE))).status == 200
            assert browser.ask("", principal(("roles", "x"))).status == 403

    def test_name_of_the_operator_is_recorded(self, world: World) -> None:
        with asking(world, **OPERATED) as browser:
            _, form, headers = opened(browser, "pause?rule=mail", principal(("roles", ROLE)))
            assert browser.post("pause", headers, **form, **{"for": ""}).status == 303
        [pause] = world.app.inbox.pauses.all(world.clock())
        assert pause.by == "alice@example.com"

    def test_form_of_another_user_is_refused(self, world: World) -> None:
        """The browser is the same, and so is its cookie."""
        with asking(world, **OPERATED) as browser:
            _, form, headers = opened(browser, "pause?rule=mail", principal(("roles", ROLE)))
            bob = {**headers, "x-ms-client-principal-name": "bob@example.com"}
            assert browser.post("pause", bob, **form, **{"for": ""}).status == 403

    def test_user_without_a_name_is_known_by_the_object_id(self, world: World) -> None:
        id = ("http://schemas.microsoft.com/identity/claims/objectidentifier", "6f1c2b1e")
        with asking(world, **OPERATED) as browser:
            for claims, status in (((("roles", ROLE), id), 200), ((("roles", ROLE),), 403)):
                headers = principal(*claims)
                del headers["x-ms-client-principal-name"]
                response = browser.ask("pause", headers)
                assert response.status == status
                assert ("done by 6f1c2b1e" in response.body) == (status == 200)


@pytest.mark.parametrize(
    "query", ["done=x", "done=replayed&count=-1", "done=replayed&count=x", "done=replayed&count=²"]
)
def test_message_has_no_text_of_the_address(browser: Browser, query: str) -> None:
    assert 'role="status"' not in browser.page(f"rules?{query}").html
