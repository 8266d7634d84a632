"""An event is sent to a repository, within GitHub's limits."""

from datetime import timedelta

import pytest

from handlers.base import GiveUp, RetryLater, Succeeded
from mlevents.testing.server import Answer, RecordingServer
from mlevents.testing.storage import NOW
from tests.handlers.github.conftest import EVENT, MakeCalls
from tests.handlers.github.fake import FakeGitHub, error

TEN = {f"k{n}": n for n in range(10)}


def test_event_is_sent_with_typed_values(calls: MakeCalls, fake: FakeGitHub, github: RecordingServer) -> None:
    payload = {"run": "{{ data.runId }}", "tags": "{{ data.runTags }}", "dry": False, "key": "{{ key }}"}
    action = calls(event_type="run-failed", client_payload=payload)
    assert action.next() == Succeeded(
        "the event run-failed was sent to acme/churn",
        {"event_type": "run-failed", "link": github.url("/acme/churn/actions")},
    )
    [sent] = fake.dispatches
    tags = EVENT.view()["data"]["runTags"]
    assert sent["client_payload"] == {"run": "brave_kiwi", "tags": tags, "dry": False, "key": action.action.job_name}


def test_page_in_place_of_github_is_no_success(calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.faults = [Answer(200, b"<p>Sign in</p>", {"Content-Type": "text/html"})]
    action = calls(event_type="x")
    assert isinstance(action.next(), RetryLater)
    assert isinstance(action.next(), Succeeded)
    assert len(fake.dispatches) == 1


def test_ten_keys_are_accepted_and_eleven_are_an_error_in_the_rule(calls: MakeCalls, fake: FakeGitHub) -> None:
    assert isinstance(calls(event_type="x", client_payload=TEN).next(), Succeeded)
    with pytest.raises(ValueError, match="client_payload has 11 keys; GitHub accepts at most 10"):
        calls(event_type="x", client_payload={**TEN, "k10": 1})
    with pytest.raises(ValueError, match="inputs has 26 keys; GitHub accepts at most 25"):
        calls(workflow="w.yml", inputs={f"k{n}": n for n in range(26)})


@pytest.mark.parametrize(("length", "fits"), [(65_520, True), (65_530, False)])
def test_payload_is_less_than_64_kb(length: int, fits: bool, calls: MakeCalls, fake: FakeGitHub) -> None:
    outcome = calls(event_type="x", client_payload={"text": f"{{{{ 'x' * {length} }}}}"}).next()
    assert isinstance(outcome, Succeeded if fits else GiveUp)
    assert len(fake.dispatches) == fits


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (error(429, "slow down", {"retry-after": "12"}), 12),
        (error(403, "slow down", {"retry-after": "12"}), 12),
        (
            error(
                403,
                "API rate limit",
                {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW.timestamp() + 90:.0f}"},
            ),
            90,
        ),
        (
            error(
                429,
                "API rate limit",
                {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW.timestamp() - 90:.0f}"},
            ),
            0,
        ),
        (error(429, "API rate limit", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999999"}), 7_200),
        (error(403, "API rate limit", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}), 60),
        (error(403, "You have exceeded a secondary rate limit", {}), 60),
        (error(429, "", {}), 60),
    ],
)
def test_limits_throttle_every_action(answer: Answer, after: int, calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.faults = [answer]
    action = calls(event_type="x")
    found = action.next()
    assert isinstance(found, RetryLater)
    assert (found.throttled, found.after, found.max_elapsed) == (True, timedelta(seconds=after), None)
    assert isinstance(action.next(), Succeeded)


def test_page_of_a_proxy_is_quoted(calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.faults = [Answer(403, "<html>blocked</html>")]
    assert "GitHub answered '<html>blocked</html>'. Check that" in str(calls(event_type="x").next())


@pytest.mark.parametrize("status", [401, 403, 404])
def test_denied_event_says_which_permission_it_needs(status: int, calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.faults = [error(status, "Not Found", {"x-ratelimit-remaining": "4999"})]
    found = calls(event_type="x").next()
    assert isinstance(found, RetryLater)
    assert (found.throttled, found.max_elapsed) == (False, timedelta(minutes=30))
    assert "the token has the permission contents: write" in str(found)
    assert "secret" not in str(found)


def test_server_error_is_retried_and_a_redirect_is_not_followed(calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.faults = [Answer(500), Answer.redirect("https://example.com/", 307)]
    action = calls(event_type="x")
    assert isinstance(action.next(), RetryLater)
    assert isinstance(action.next(), GiveUp)
    assert fake.dispatches == []
