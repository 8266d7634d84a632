"""Messages are posted to a webhook or as a bot, to servers that answer as Slack documents."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from handlers.base import Action, GiveUp, RetryLater, Succeeded
from handlers.content.fit import NOTE
from handlers.errors import classify
from handlers.file_field import FOLDERS
from handlers.slack.handler import Slack
from handlers.slack.message import MESSAGE_LIMIT
from mlevents.testing import Answer, RecordingServer
from schemas import RunStatusChanged
from tests.handlers.content.cases import ACTION, CASES
from tests.handlers.content.hostile import HOSTILE, run_with
from tests.handlers.slack.test_message import assert_valid, texts_of

EVENT, _ = CASES["RunStatusChanged"]
HEADLINE = "Run brave_kiwi_t5m0xr7c4d failed (experiment churn-training)"
WEBHOOK = "https://hooks.slack.com/services/T000/B000/SECRET"
POSTED = Answer(200, {"ok": True, "channel": "C0123456789", "ts": "1503435956.000247", "message": {"text": "…"}})
BLOCKS = [{"type": "section", "text": {"type": "mrkdwn", "text": "*{{ data.runId }}*: {{ data.runTags.note }}"}}]
NOTED = RunStatusChanged.example(run_tags={"note": "a & <!channel>", "team": "churn"})


@pytest.fixture
def webhook() -> Iterator[RecordingServer]:
    """An incoming webhook."""
    with RecordingServer(Answer(200, "ok")) as server:
        yield server


@pytest.fixture
def api() -> Iterator[RecordingServer]:
    """Slack's Web API."""
    with RecordingServer(POSTED) as server:
        yield server


def hook(server: RecordingServer, **settings: Any) -> Slack:
    return Slack.model_validate({"url": server.url("/services/SECRET"), "allow_private": True, **settings})


def bot(server: RecordingServer, **settings: Any) -> Slack:
    given = {"token": "xoxb-SECRET", "channel": "#churn", "api": server.url("/api"), "allow_private": True}
    return Slack.model_validate({**given, **settings})


def sent(server: RecordingServer) -> Any:
    [request] = server.requests
    return request.json()


def failure(slack: Slack) -> GiveUp | RetryLater:
    with pytest.raises(Exception, match=r"\w") as error:
        slack.run(EVENT, ACTION)
    outcome = classify(error.value)
    assert "SECRET" not in str(outcome)
    return outcome


# An incoming webhook


def test_message_is_posted_to_a_webhook(webhook: RecordingServer) -> None:
    assert hook(webhook).run(EVENT, ACTION) == Succeeded(f"posted a message: {HEADLINE}")
    [request] = webhook.requests
    assert (request.method, request.path) == ("POST", "/services/SECRET")
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    assert "Authorization" not in request.headers
    body = request.json()
    assert set(body) == {"text", "blocks", "unfurl_links", "unfurl_media"}
    assert_valid({"text": body["text"], "blocks": body["blocks"]})


@pytest.mark.parametrize(
    ("status", "word", "advice"),
    [
        (400, "invalid_payload", ""),
        (400, "user_not_found", ""),
        (403, "action_prohibited", "an administrator of Slack restricts posting"),
        (403, "invalid_token", "create one, and write its URL"),
        (404, "channel_not_found", "the channel does not exist"),
        (404, "no_service", "the webhook is disabled or removed"),
        (404, "no_team", "the Slack workspace is missing"),
        (410, "channel_is_archived", ""),
    ],
)
def test_permanent_answers_of_a_webhook(status: int, word: str, advice: str) -> None:
    with RecordingServer(Answer(status, word)) as server:
        outcome = failure(hook(server))
    assert isinstance(outcome, GiveUp)
    assert word in str(outcome)
    assert advice in str(outcome)


@pytest.mark.parametrize(("status", "word"), [(500, "rollup_error"), (503, ""), (429, "")])
def test_transient_answers_of_a_webhook(status: int, word: str) -> None:
    with RecordingServer(Answer(status, word, headers={"Retry-After": "30"})) as server:
        outcome = failure(hook(server))
    assert isinstance(outcome, RetryLater)
    assert outcome.throttled is (status != 500)
    assert outcome.after is not None
    assert outcome.after.total_seconds() == 30


# A bot


def test_message_is_posted_by_a_bot(api: RecordingServer) -> None:
    details = {"channel": "C0123456789", "ts": "1503435956.000247"}
    assert bot(api).run(EVENT, ACTION) == Succeeded(f"posted a message: {HEADLINE}", details)
    [request] = api.requests
    assert (request.method, request.path) == ("POST", "/api/chat.postMessage")
    assert request.headers["Authorization"] == "Bearer xoxb-SECRET"
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    assert request.json()["channel"] == "churn"
    assert "thread_ts" not in request.json()


@pytest.mark.parametrize(
    "error",
    [
        *("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope"),
        *("channel_not_found", "not_in_channel", "is_archived", "restricted_action", "no_permission", "no_text"),
        *("msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format", "too_many_attachments"),
        *("ekm_access_denied", "accesslimited", "method_deprecated", "something_new"),
    ],
)
def test_permanent_errors_of_the_api(error: str) -> None:
    with RecordingServer(Answer(200, {"ok": False, "error": error})) as server:
        outcome = failure(bot(server))
    assert isinstance(outcome, GiveUp)
    assert error in str(outcome)


@pytest.mark.parametrize(
    "error",
    [
        "fatal_error",
        "internal_error",
        "service_unavailable",
        "request_timeout",
        "team_added_to_org",
        "org_login_required",
    ],
)
def test_transient_errors_of_the_api(error: str) -> None:
    with RecordingServer(Answer(200, {"ok": False, "error": error})) as server:
        outcome = failure(bot(server))
    assert isinstance(outcome, RetryLater)
    assert not outcome.throttled


@pytest.mark.parametrize(
    "answer",
    [
        Answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "30"}),
        Answer(200, {"ok": False, "error": "rate_limited"}, {"Retry-After": "30"}),
        Answer(200, {"ok": False, "error": "message_limit_exceeded"}, {"Retry-After": "30"}),
    ],
)
def test_rate_limits_hold_all_messages_back(answer: Answer) -> None:
    with RecordingServer(answer) as server:
        outcome = failure(bot(server))
    assert isinstance(outcome, RetryLater)
    assert outcome.throttled
    assert outcome.after is not None
    assert outcome.after.total_seconds() == 30


def test_errors_say_what_to_do_and_what_slack_adds() -> None:
    metadata = {"messages": ["[ERROR] must be more than 0 characters [json-pointer:/blocks/0/text/text]"]}
    answer = Answer(200, {"ok": False, "error": "invalid_blocks", "response_metadata": metadata})
    with RecordingServer(answer) as server:
        assert str(failure(bot(server))) == (
            "Slack answered invalid_blocks: [ERROR] must be more than 0 characters [json-pointer:/blocks/0/text/text]; "
            "check the blocks in Block Kit Builder"
        )


@pytest.mark.parametrize("body", ["<html>", [], "", {"ok": "yes", "error": None}])
def test_answers_that_are_not_slacks_are_no_success(body: Any) -> None:
    with RecordingServer(Answer(200, body)) as server:
        assert isinstance(failure(bot(server)), GiveUp if isinstance(body, dict) else RetryLater)


def test_answer_that_is_cut_off_does_not_post_twice() -> None:
    """Slack has posted the message; the connection broke before the end of the answer."""
    with RecordingServer(Answer(200, '{"ok":true,"channel":"C0123456789","ts":"15034')) as server:
        assert bot(server).run(EVENT, ACTION) == Succeeded(f"posted a message: {HEADLINE}")


def test_action_that_was_interrupted_posts_again(api: RecordingServer) -> None:
    """Slack has no key by which it could know the first message."""
    assert isinstance(bot(api).run(EVENT, Action(interrupted=True)), Succeeded)
    assert len(api.requests) == 1


# The channel and the thread


def test_channel_of_an_event_is_one_of_the_allowed(api: RecordingServer) -> None:
    slack = bot(api, channel="#team-{{ data.runTags.team }}", allowed_channels=["#team-*", "ops"])
    slack.run(NOTED, ACTION)
    assert sent(api)["channel"] == "team-churn"
    assert slack.plan(NOTED).startswith("post a message to team-churn: ")


@pytest.mark.parametrize("team", ["", "x y", "<!channel>", "@boss", "x" * 100, "other"])
def test_other_channels_of_an_event_fail(api: RecordingServer, team: str) -> None:
    slack = bot(api, channel="{{ data.runTags.team }}", allowed_channels=["churn", "ops"])
    with pytest.raises(GiveUp, match="channel"):
        slack.run(RunStatusChanged.example(run_tags={"team": team}), ACTION)
    assert api.requests == []


def test_channel_of_a_label_needs_no_list(api: RecordingServer) -> None:
    bot(api, channel="{{ workspace.labels.team }}-alerts").run(EVENT, ACTION)
    assert sent(api)["channel"] == "churn-alerts"


def test_answer_in_the_thread_of_another_message(api: RecordingServer) -> None:
    """Of the rule that this one follows, and that has posted it."""
    slack = bot(api, thread="{{ data.runTags.note }}")
    slack.run(RunStatusChanged.example(run_tags={"note": " 1503435956.000247 "}), ACTION)
    assert sent(api)["thread_ts"] == "1503435956.000247"


def test_thread_may_be_empty(api: RecordingServer) -> None:
    bot(api, thread="{{ data.runTags.note | default('') }}").run(EVENT, ACTION)
    assert "thread_ts" not in sent(api)


def test_thread_that_is_none_fails(api: RecordingServer) -> None:
    with pytest.raises(GiveUp, match="'x' is not the ts of a message"):
        bot(api, thread="x").run(EVENT, ACTION)


# Settings


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "set either url, of an incoming webhook, or token and channel"),
        ({"url": WEBHOOK, "token": "x"}, "set either url"),
        ({"url": WEBHOOK, "channel": "#x"}, "are for a token"),
        ({"url": WEBHOOK, "thread": "1.2"}, "are for a token"),
        ({"url": "https://evil.example/services/x"}, "evil.example is not a host of Slack"),
        ({"url": "http://hooks.slack.com/services/x"}, "https"),
        ({"url": "https://hooks.slack.com/services/{{ data.runId }}"}, "is no template"),
        ({"token": "x"}, "set the channel"),
        ({"token": "x", "channel": "a b"}, "'a b' is not a channel"),
        ({"token": "x", "channel": "a", "allowed_channels": ["b"]}, "'a' is not one of allowed_channels: b"),
        ({"token": "x", "channel": "{{ data.runTags.team }}"}, "depends on the event: list the permitted channels"),
        ({"token": "x", "channel": "a", "api": "https://evil.example/api"}, "evil.example is not a host of Slack"),
        ({"url": WEBHOOK, "blocks": {}}, "should be a list of blocks"),
        ({"url": WEBHOOK, "blocks": [{"text": "x"}]}, "should be a list of blocks"),
        ({"url": WEBHOOK, "blocks": []}, "0 blocks; a message has at least one"),
        ({"url": WEBHOOK, "blocks": BLOCKS * 50}, "50 blocks; a message has at least one and at most 49"),
        ({"url": WEBHOOK, "blocks": "missing.json"}, "'missing.json' cannot be read"),
        ({"url": WEBHOOK, "text": "{{ x"}, "bad template"),
    ],
)
def test_errors_are_found_when_rules_load(settings: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=reason):
        Slack.model_validate(settings, context={FOLDERS: (tmp_path,)})


def test_all_messages_to_one_host_wait_together() -> None:
    assert Slack.model_validate({"url": WEBHOOK}).destination(EVENT) == "https://hooks.slack.com"
    bot = Slack.model_validate({"token": "xoxb-1", "channel": "C0123456789"})
    assert bot.destination(EVENT) == "https://slack.com"


def test_plan_does_not_show_the_secret() -> None:
    slack = Slack.model_validate({"url": WEBHOOK})
    assert slack.plan(EVENT) == f"post a message to https://hooks.slack.com: {HEADLINE!r}"


def test_plan_has_the_text_of_the_rule_and_accepts_the_thread_of_an_example() -> None:
    """An example has no message to answer to: its `result.details.ts` is made up."""
    settings = {"token": "xoxb-SECRET", "channel": "#churn", "text": "{{ data.runId }} & more"}
    slack = Slack.model_validate({**settings, "thread": "{{ data.runTags.team }}"})
    assert slack.plan(EVENT) == "post a message to churn, in a thread: 'brave_kiwi_t5m0xr7c4d & more'"
    alone = Slack.model_validate({**settings, "thread": "{{ data.runTags.none | default('') }}"})
    assert alone.plan(EVENT) == "post a message to churn: 'brave_kiwi_t5m0xr7c4d & more'"


# Texts and blocks of one's own


def test_own_text_is_the_summary(webhook: RecordingServer) -> None:
    """In one line."""
    outcome = hook(webhook, text="{{ data.runId }}\nhas failed").run(EVENT, ACTION)
    assert outcome == Succeeded("posted a message: brave_kiwi_t5m0xr7c4d has failed")


def test_own_text_escapes_values_only(webhook: RecordingServer) -> None:
    hook(webhook, text="<https://wiki.example|{{ data.runTags.note }}> & ").run(NOTED, ACTION)
    assert sent(webhook)["text"] == "<https://wiki.example|a &amp; &lt;!channel&gt;> &"
    assert "blocks" not in sent(webhook)


def test_own_text_that_is_empty_is_the_subject(webhook: RecordingServer) -> None:
    hook(webhook, text="{{ data.runTags.note | default('') }}").run(EVENT, ACTION)
    assert sent(webhook)["text"] == f"[churn-prod] {HEADLINE}"


def test_own_blocks_escape_values(webhook: RecordingServer) -> None:
    hook(webhook, blocks=BLOCKS).run(NOTED, ACTION)
    body = sent(webhook)
    assert body["blocks"][0]["text"]["text"] == "*brave_kiwi_t5m0xr7c4d*: a &amp; &lt;!channel&gt;"
    assert body["text"].endswith(HEADLINE)


def test_own_blocks_of_block_kit_builder_are_read_from_a_file(webhook: RecordingServer, tmp_path: Path) -> None:
    (tmp_path / "blocks.json").write_text(json.dumps({"blocks": BLOCKS}))
    settings = {"url": webhook.url("/x"), "allow_private": True, "blocks": "blocks.json", "text": "{{ object }}"}
    Slack.model_validate(settings, context={FOLDERS: (tmp_path,)}).run(NOTED, ACTION)
    assert sent(webhook)["text"] == "brave_kiwi_t5m0xr7c4d"
    assert len(sent(webhook)["blocks"]) == 1


def test_own_blocks_that_are_too_long_are_cut(webhook: RecordingServer) -> None:
    event = RunStatusChanged.example(run_tags={"note": "\u6a21" * 50_000})
    hook(webhook, blocks=BLOCKS).run(event, ACTION)
    body = sent(webhook)
    assert len(json.dumps(body["blocks"])) <= MESSAGE_LIMIT
    assert len(body["blocks"][0]["text"]["text"]) == 1_000
    assert body["blocks"][-1]["elements"][0]["text"] == NOTE


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_event_notifies_nobody_by_own_templates(webhook: RecordingServer, text: str) -> None:
    hook(webhook, text="{{ data.runTags.note }}", blocks=BLOCKS).run(run_with(text), ACTION)
    body = sent(webhook)
    assert not {"<", ">"} & set(body["text"] + "".join(each["text"] for each in texts_of(body["blocks"])))
