"""`email` over Azure Communication Services, against an emulated service that verifies signatures and tokens."""

import ssl
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from uuid import uuid4

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError

from emulator.identity.identity import identity_endpoint
from handlers.base import Action, CheckBack, GiveUp, Outcome, RetryLater, Succeeded
from handlers.email.handler import Email
from handlers.errors import classify
from schemas import RunStatusChanged
from tests.handlers.conftest import SetSettings
from tests.kit.acs import KEY, MailService, Reply, mail_service

EVENT = RunStatusChanged.example()
TEAM = Email(to="ml-team@example.com")
SENDER = "Azure ML <donotreply@mail.example.com>"


def run_to_end(email: Email, action: Action) -> tuple[Outcome, list[timedelta]]:
    """Run the action until it ends, as the dispatcher would. Return the outcome, and the delays in between."""
    delays = []
    while isinstance(outcome := email.run(EVENT, action), CheckBack):
        delays.append(outcome.after)
        action = Action(key=action.key, state=outcome.state)
    return outcome, delays


# Sending and polling


def test_mail_is_submitted_and_polled(service: MailService) -> None:
    """The operation's id is the action's key. The second call reads that the mail was sent."""
    action = Action(rule="mail-failed-runs")
    email = Email(to="ml-team@example.com", cc="boss@example.com", bcc="archive@example.com")
    outcome, delays = run_to_end(email, action)
    assert isinstance(outcome, Succeeded)
    assert outcome.details["status"] == "Succeeded"
    assert outcome.details["to"] == "ml-team@example.com, boss@example.com, archive@example.com"
    assert delays == [timedelta(seconds=10)]
    message = service.sent[str(action.key)]
    assert message["senderAddress"] == "donotreply@mail.example.com"
    assert message["recipients"] == {
        "to": [{"address": "ml-team@example.com"}],
        "cc": [{"address": "boss@example.com"}],
        "bcc": [{"address": "archive@example.com"}],
    }
    assert message["headers"]["Message-ID"] == f"<{action.key}@mail.example.com>"
    assert message["headers"]["X-AzureML-Rule"] == "mail-failed-runs"
    assert message["headers"]["References"].endswith("@mail.example.com>")
    assert "failed" in message["content"]["subject"]
    assert "Sent by rule mail-failed-runs" in message["content"]["plainText"]
    assert message["content"]["html"].startswith("<!DOCTYPE html>")
    assert service.requests == ["POST /emails:send", f"GET /emails/operations/{action.key}"]


def test_replies_go_to_reply_to(service: MailService) -> None:
    Email(to="a@example.com", reply_to="b@example.com").run(EVENT, Action())
    [message] = service.sent.values()
    assert message["replyTo"] == [{"address": "b@example.com"}]


def test_headers_are_ascii(service: MailService) -> None:
    Email(to="a@example.com").run(RunStatusChanged.example(run_id="模型" * 60), Action())
    [message] = service.sent.values()
    encoded = message["headers"]["X-AzureML-Object"]
    assert encoded.isascii()
    assert str(make_header(decode_header(encoded))) == f"run {'模型' * 60}"


def test_mail_goes_without_headers_that_the_service_rejects(service: MailService) -> None:
    """As another operation, whose result later calls read."""
    service.custom_headers_only = True
    action = Action()
    outcome, _ = run_to_end(TEAM, action)
    assert isinstance(outcome, Succeeded)
    [(operation, message)] = service.sent.items()
    assert set(message["headers"]) >= {"Message-ID", "X-AzureML-Rule"}
    assert not {"References", "List-Id"} & set(message["headers"])
    assert service.requests == ["POST /emails:send"] * 2 + [f"GET /emails/operations/{operation}"]
    run_to_end(TEAM, action)
    assert len(service.sent) == 1


def test_each_call_makes_one_request(service: MailService) -> None:
    """No call waits for the mail to be sent."""
    service.statuses = ["NotStarted", "Running"]
    action = Action()
    first = TEAM.run(EVENT, action)
    assert isinstance(first, CheckBack)
    assert len(service.requests) == 1
    second = TEAM.run(EVENT, Action(key=action.key, state=first.state))
    assert isinstance(second, CheckBack)
    assert len(service.requests) == 2
    assert second.note == "accepted by Azure Communication Services: NotStarted"


def test_mail_still_running_after_two_polls_counts_as_sent(service: MailService) -> None:
    """The service limits polls."""
    service.statuses = ["Running"] * 5
    outcome, delays = run_to_end(TEAM, Action())
    assert isinstance(outcome, Succeeded)
    assert outcome.details["status"] == "Running"
    assert delays == [timedelta(seconds=10), timedelta(seconds=60)]
    assert len(service.requests) == 3


def test_failed_send_operation_fails_the_action(service: MailService) -> None:
    service.statuses = ["Failed"]
    with pytest.raises(GiveUp, match="EmailDropped: dropped after attempts"):
        run_to_end(TEAM, Action())


def test_canceled_send_operation_fails_the_action(service: MailService) -> None:
    service.statuses = ["Canceled"]
    with pytest.raises(GiveUp, match="Canceled: no reason given"):
        run_to_end(TEAM, Action())


def test_repeated_action_sends_one_mail(service: MailService) -> None:
    """A worker can die before it records that the service has accepted the mail."""
    action = Action()
    TEAM.run(EVENT, action)
    assert isinstance(TEAM.run(EVENT, action), CheckBack)
    assert list(service.sent) == [str(action.key)]


def test_conflict_with_an_earlier_attempt_counts_as_accepted(service: MailService) -> None:
    service.replies = [Reply(409, {"error": {"code": "Conflict", "message": "the request is in progress"}})]
    assert isinstance(TEAM.run(EVENT, Action()), CheckBack)


# Error responses


@pytest.mark.parametrize("retry_after", ["120", None])
def test_throttled_send_raises_at_once(service: MailService, retry_after: str | None) -> None:
    """The SDK does not retry it, and `classify` reads the delay from its Retry-After."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    service.replies = [Reply(429, {"error": {"code": "TooManyRequests", "message": "slow down"}}, headers)]
    with pytest.raises(HttpResponseError) as error:
        TEAM.run(EVENT, Action())
    outcome = classify(error.value, datetime.now(UTC))
    assert isinstance(outcome, RetryLater)
    assert outcome.throttled
    assert outcome.after == (timedelta(seconds=120) if retry_after else None)
    assert len(service.requests) == 1


def test_throttled_poll_counts_as_sent(service: MailService) -> None:
    """The service has accepted the mail, and further polls would use up the quota for sending."""
    first = TEAM.run(EVENT, Action())
    assert isinstance(first, CheckBack)
    service.replies = [Reply(429, {"error": {"code": "TooManyRequests", "message": "slow down"}})]
    outcome = TEAM.run(EVENT, Action(state=first.state))
    assert isinstance(outcome, Succeeded)
    assert outcome.details["status"] == "unknown: too many requests"


@pytest.mark.parametrize(
    ("status", "raised", "max_elapsed"),
    [
        (400, GiveUp, None),
        (401, RetryLater, timedelta(minutes=30)),
        (403, RetryLater, timedelta(minutes=30)),
        (404, RetryLater, timedelta(minutes=30)),
        (500, RetryLater, None),
        (503, RetryLater, None),
    ],
)
def test_status_decides_whether_the_action_is_retried(
    service: MailService, status: int, raised: type[Exception], max_elapsed: timedelta | None
) -> None:
    service.replies = [Reply(status, {"error": {"code": "Because", "message": "not today"}})] * 2
    with pytest.raises(HttpResponseError, match="not today") as error:
        TEAM.run(EVENT, Action())
    outcome = classify(error.value)
    assert isinstance(outcome, raised)
    assert getattr(outcome, "max_elapsed", None) == max_elapsed
    assert len(service.requests) == (2 if status == 400 else 1)  # after 400, once more with fewer headers


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 503])
def test_mail_whose_result_cannot_be_read_counts_as_sent(service: MailService, status: int) -> None:
    """The service has accepted it: the action does not fail, so that a replay does not send it again."""
    first = TEAM.run(EVENT, Action())
    assert isinstance(first, CheckBack)
    service.replies = [Reply(status, {"error": {"code": "Because", "message": "not today"}})] * 4
    outcome, delays = run_to_end(TEAM, Action(state=first.state))
    assert isinstance(outcome, Succeeded)
    assert outcome.details["status"].startswith("unknown: ")
    assert "not today" in outcome.details["status"]
    assert delays == [timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=20)]


def test_error_of_a_poll_does_not_hide_that_the_mail_could_not_be_sent(service: MailService) -> None:
    first = TEAM.run(EVENT, Action())
    assert isinstance(first, CheckBack)
    service.replies, service.statuses = [Reply(404, {"error": {"code": "NotFound", "message": "no"}})], ["Failed"]
    with pytest.raises(GiveUp, match="EmailDropped"):
        run_to_end(TEAM, Action(state=first.state))


def test_wrong_key_is_rejected_and_not_shown(service: MailService, settings: SetSettings) -> None:
    wrong = KEY[::-1].strip("=") + "=="
    settings(EMAIL_ACS_KEY=wrong)
    with pytest.raises(ClientAuthenticationError, match="signature") as error:
        TEAM.run(EVENT, Action())
    assert wrong not in str(error.value)
    assert service.sent == {}


def test_unreachable_service_is_retried(settings: SetSettings) -> None:
    with mail_service() as stopped:
        settings(EMAIL_FROM=SENDER, EMAIL_ACS_ENDPOINT=stopped.url, EMAIL_ACS_KEY=KEY)
    with pytest.raises(ServiceRequestError) as error:
        TEAM.run(EVENT, Action())
    assert isinstance(classify(error.value), RetryLater)


def test_sdk_does_not_sleep_and_retry(monkeypatch: pytest.MonkeyPatch, service: MailService) -> None:
    """A function must not sleep; the app retries the action."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    service.replies = [Reply(503, None, {"Retry-After": "30"})]
    with pytest.raises(HttpResponseError):
        TEAM.run(EVENT, Action())
    assert slept == []


# Authentication


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("user_assigned", [False, True])
def test_managed_identity_is_used_without_a_key(
    settings: SetSettings, server_tls: ssl.SSLContext, user_assigned: bool
) -> None:
    """The identity endpoint issues a token for the service, to the identity that AZURE_CLIENT_ID names."""
    client_id = str(uuid4()) if user_assigned else ""
    with identity_endpoint() as identity, mail_service(server_tls) as service:
        settings(EMAIL_FROM=SENDER, EMAIL_ACS_ENDPOINT=service.url, AZURE_CLIENT_ID=client_id, **identity.settings)
        outcome, _ = run_to_end(TEAM, Action())
    assert isinstance(outcome, Succeeded)
    assert len(service.sent) == 1
    assert len(identity.requests) <= 1  # an earlier test may have cached a token
    assert all(request.get("client_id", "") == client_id for request in identity.requests)


# Changes between calls


def test_final_outcome_lists_the_recipients_that_were_left_out(service: MailService) -> None:
    email = Email(to=["ml-team@example.com", "{{ data.runTags.owner }}"], allowed_domains="example.com")
    event = RunStatusChanged.example(run_tags={"owner": "someone@elsewhere.example"})
    first = email.run(event, Action())
    assert isinstance(first, CheckBack)
    outcome = email.run(event, Action(state=first.state))
    assert isinstance(outcome, Succeeded)
    assert "'someone@elsewhere.example' is not in allowed_domains (example.com)" in outcome.details["left_out"]


def test_accepted_mail_ends_as_sent_if_the_rule_changes(service: MailService) -> None:
    """Here, the changed rule has no recipient."""
    first = TEAM.run(EVENT, Action())
    assert isinstance(first, CheckBack)
    changed = Email(to="{{ data.nothing | default('') }}", allowed_domains="example.com")
    assert isinstance(changed.run(EVENT, Action(state=first.state)), Succeeded)


def test_accepted_mail_is_not_sent_again_if_the_transport_changes(service: MailService, settings: SetSettings) -> None:
    first = TEAM.run(EVENT, Action())
    assert isinstance(first, CheckBack)
    settings(EMAIL_ACS_ENDPOINT="", EMAIL_ACS_KEY="", EMAIL_SMTP_HOST="localhost", EMAIL_SMTP_PORT=1)
    outcome = TEAM.run(EVENT, Action(state=first.state))
    assert isinstance(outcome, Succeeded)
    assert "EMAIL_ACS_ENDPOINT is no longer set" in outcome.details["status"]
