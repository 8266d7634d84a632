"""`email` over Azure Communication Services, against a stand-in that checks signatures and tokens."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
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


@pytest.fixture
def service(settings: SetSettings) -> Iterator[MailService]:
    """A service that knows our key, which the settings point to."""
    with mail_service() as service:
        settings(EMAIL_FROM=SENDER, EMAIL_ACS_ENDPOINT=service.url, EMAIL_ACS_KEY=KEY)
        yield service


def carry_out(email: Email, action: Action) -> tuple[Outcome, list[timedelta]]:
    """Call until it ends, as the dispatcher would; and how long it asked to wait in between."""
    waits = []
    while isinstance(outcome := email.run(EVENT, action), CheckBack):
        waits.append(outcome.after)
        action = Action(key=action.key, state=outcome.state)
    return outcome, waits


def test_a_mail_is_handed_in_and_looked_at(service: MailService) -> None:
    """The operation's id is the action's key; the second call finds that the mail was sent."""
    action = Action(rule="mail-failed-runs")
    email = Email(to="ml-team@example.com", cc="boss@example.com", bcc="archive@example.com")
    outcome, waits = carry_out(email, action)
    assert isinstance(outcome, Succeeded)
    assert outcome.details["status"] == "Succeeded"
    assert outcome.details["to"] == "ml-team@example.com, boss@example.com, archive@example.com"
    assert waits == [timedelta(seconds=10)]
    message = service.sent[str(action.key)]
    assert message["senderAddress"] == "donotreply@mail.example.com"
    assert message["recipients"] == {
        "to": [{"address": "ml-team@example.com"}],
        "cc": [{"address": "boss@example.com"}],
        "bcc": [{"address": "archive@example.com"}],
    }
    assert message["headers"] == {"Message-ID": f"<{action.key}@mail.example.com>"}
    assert "failed" in message["content"]["subject"]
    assert "Sent by rule mail-failed-runs" in message["content"]["plainText"]
    assert message["content"]["html"].startswith("<!DOCTYPE html>")
    assert service.requests == ["POST /emails:send", f"GET /emails/operations/{action.key}"]


def test_no_call_waits_for_the_mail(service: MailService) -> None:
    """Each makes one request and returns."""
    service.statuses = ["NotStarted", "Running"]
    action = Action()
    first = TEAM.run(EVENT, action)
    assert isinstance(first, CheckBack)
    assert len(service.requests) == 1
    second = TEAM.run(EVENT, Action(key=action.key, state=first.state))
    assert isinstance(second, CheckBack)
    assert len(service.requests) == 2
    assert second.note == "accepted by Azure Communication Services: NotStarted"


def test_a_mail_that_takes_long_counts_as_accepted_after_two_looks(service: MailService) -> None:
    """The service limits how often it may be asked."""
    service.statuses = ["Running"] * 5
    outcome, waits = carry_out(TEAM, Action())
    assert isinstance(outcome, Succeeded)
    assert outcome.details["status"] == "Running"
    assert waits == [timedelta(seconds=10), timedelta(seconds=60)]
    assert len(service.requests) == 3


def test_a_mail_that_could_not_be_sent_has_failed(service: MailService) -> None:
    service.statuses = ["Failed"]
    with pytest.raises(GiveUp, match="EmailDropped: dropped after attempts"):
        carry_out(TEAM, Action())


def test_a_mail_that_was_canceled_has_failed(service: MailService) -> None:
    service.statuses = ["Canceled"]
    with pytest.raises(GiveUp, match="Canceled: no reason given"):
        carry_out(TEAM, Action())


def test_an_action_that_is_repeated_sends_one_mail(service: MailService) -> None:
    """The worker died before it could write down that the mail was accepted."""
    action = Action()
    TEAM.run(EVENT, action)
    assert isinstance(TEAM.run(EVENT, action), CheckBack)
    assert list(service.sent) == [str(action.key)]


def test_an_attempt_that_is_still_being_worked_on_counts_as_accepted(service: MailService) -> None:
    service.replies = [Reply(409, {"error": {"code": "Conflict", "message": "the request is in progress"}})]
    assert isinstance(TEAM.run(EVENT, Action()), CheckBack)


@pytest.mark.parametrize("retry_after", ["120", None])
def test_throttling_is_waiting_and_is_not_slept_through(service: MailService, retry_after: str | None) -> None:
    """429 is raised at once, without retries of the SDK's own, and judged as throttling."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    service.replies = [Reply(429, {"error": {"code": "TooManyRequests", "message": "slow down"}}, headers)]
    with pytest.raises(HttpResponseError) as refused:
        TEAM.run(EVENT, Action())
    judged = classify(refused.value, datetime.now(UTC))
    assert isinstance(judged, RetryLater)
    assert judged.throttled
    assert judged.after == (timedelta(seconds=120) if retry_after else None)
    assert len(service.requests) == 1


def test_throttled_looks_are_given_up(service: MailService) -> None:
    """The mail was accepted; asking on would use up what sending needs."""
    first = TEAM.run(EVENT, Action())
    assert isinstance(first, CheckBack)
    service.replies = [Reply(429, {"error": {"code": "TooManyRequests", "message": "slow down"}})]
    outcome = TEAM.run(EVENT, Action(state=first.state))
    assert isinstance(outcome, Succeeded)
    assert outcome.details["status"] == "not known: too many requests"


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
@pytest.mark.parametrize("looking", [False, True])
def test_what_the_service_answers_decides(
    service: MailService, status: int, raised: type[Exception], max_elapsed: timedelta | None, looking: bool
) -> None:
    """Whether it is sent or looked at; one request is made either way."""
    state = TEAM.run(EVENT, Action()).state if looking else {}  # type: ignore[union-attr]  # it is a CheckBack
    service.requests.clear()
    service.replies = [Reply(status, {"error": {"code": "Because", "message": "said the service"}})]
    with pytest.raises(HttpResponseError, match="said the service") as refused:
        TEAM.run(EVENT, Action(state=state))
    judged = classify(refused.value)
    assert isinstance(judged, raised)
    assert getattr(judged, "max_elapsed", None) == max_elapsed
    assert len(service.requests) == 1


def test_a_wrong_key_is_refused_and_not_told(service: MailService, settings: SetSettings) -> None:
    wrong = KEY[::-1].strip("=") + "=="
    settings(EMAIL_ACS_KEY=wrong)
    with pytest.raises(ClientAuthenticationError, match="signature") as refused:
        TEAM.run(EVENT, Action())
    assert wrong not in str(refused.value)
    assert service.sent == {}


def test_a_service_that_is_down_is_tried_again(settings: SetSettings) -> None:
    with mail_service() as gone:
        settings(EMAIL_FROM=SENDER, EMAIL_ACS_ENDPOINT=gone.url, EMAIL_ACS_KEY=KEY)
    with pytest.raises(ServiceRequestError) as refused:
        TEAM.run(EVENT, Action())
    assert isinstance(classify(refused.value), RetryLater)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("user_assigned", [False, True])
def test_without_a_key_the_apps_managed_identity_is_used(
    settings: SetSettings, server_tls: ssl.SSLContext, user_assigned: bool
) -> None:
    """Azure's identity endpoint gives a token for the service, to the identity that AZURE_CLIENT_ID names."""
    client_id = str(uuid4()) if user_assigned else ""
    with identity_endpoint() as identity, mail_service(server_tls) as service:
        settings(EMAIL_FROM=SENDER, EMAIL_ACS_ENDPOINT=service.url, AZURE_CLIENT_ID=client_id, **identity.settings)
        outcome, _ = carry_out(TEAM, Action())
    assert isinstance(outcome, Succeeded)
    assert len(service.sent) == 1
    assert len(identity.requests) <= 1  # the token is kept; a test before this one may have left one
    assert all(asked.get("client_id", "") == client_id for asked in identity.requests)


def test_addresses_that_were_left_out_are_told_at_the_end(service: MailService) -> None:
    email = Email(to=["ml-team@example.com", "{{ data.runTags.owner }}"], allowed_domains="example.com")
    event = RunStatusChanged.example(run_tags={"owner": "someone@elsewhere.example"})
    first = email.run(event, Action())
    assert isinstance(first, CheckBack)
    outcome = email.run(event, Action(state=first.state))
    assert isinstance(outcome, Succeeded)
    assert "'someone@elsewhere.example' is not in allowed_domains (example.com)" in outcome.details["left_out"]


def test_a_mail_that_was_accepted_does_not_depend_on_the_rule_any_more(service: MailService) -> None:
    """The rule has changed meanwhile, into one that has nobody to mail."""
    first = TEAM.run(EVENT, Action())
    assert isinstance(first, CheckBack)
    changed = Email(to="{{ data.nothing | default('') }}", allowed_domains="example.com")
    assert isinstance(changed.run(EVENT, Action(state=first.state)), Succeeded)


def test_a_mail_that_was_accepted_is_not_sent_again_over_smtp(service: MailService, settings: SetSettings) -> None:
    """The settings have changed meanwhile."""
    first = TEAM.run(EVENT, Action())
    assert isinstance(first, CheckBack)
    settings(EMAIL_ACS_ENDPOINT="", EMAIL_ACS_KEY="", EMAIL_SMTP_HOST="localhost", EMAIL_SMTP_PORT=1)
    outcome = TEAM.run(EVENT, Action(state=first.state))
    assert isinstance(outcome, Succeeded)
    assert "EMAIL_ACS_ENDPOINT is not set any more" in outcome.details["status"]


def test_the_client_does_not_retry_on_its_own(monkeypatch: pytest.MonkeyPatch, service: MailService) -> None:
    """A function must not sleep; the dispatcher comes back."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    service.replies = [Reply(503, None, {"Retry-After": "30"})]
    with pytest.raises(HttpResponseError):
        TEAM.run(EVENT, Action())
    assert slept == []
