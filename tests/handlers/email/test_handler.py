"""The settings of a rule with `email`, its runs and its plans."""

import pytest
from jinja2 import TemplateError
from pydantic import ValidationError

from handlers.base import Action, GiveUp, Succeeded
from handlers.email.handler import Email
from handlers.email.recipients import MAX_RECIPIENTS
from schemas import RunStatusChanged
from tests.handlers.conftest import SetSettings
from tests.handlers.email.test_recipients import OWNER, event
from tests.kit.smtp import MailServer

# Settings of a rule


def test_to_is_one_recipient_or_a_list() -> None:
    assert Email(to="a@example.com").to == Email(to=["a@example.com"]).to


@pytest.mark.parametrize("part", ["to", "cc", "bcc"])
def test_invalid_constant_recipient_is_an_error_when_rules_load(part: str) -> None:
    """The error has the position in the list."""
    with pytest.raises(ValidationError) as error:
        Email.model_validate({"to": "a@example.com"} | {part: ["b@example.com", "ml-team@example,com"]})
    [problem] = error.value.errors()
    assert problem["loc"] == (part, 1)
    assert "'ml-team@example,com' is not one mail address" in problem["msg"]


@pytest.mark.parametrize("given", [{}, {"to": []}, {"to": ""}, {"to": 5}, {"to": [None]}])
def test_to_is_required(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Email.model_validate(given)


def test_recipient_from_the_event_requires_allowed_domains() -> None:
    with pytest.raises(
        ValidationError, match=r"owner.* depends on the event: list the domains that may get mail in allowed_domains"
    ):
        Email(to=["ml-team@example.com", OWNER])


def test_allowed_domains_apply_to_constant_recipients() -> None:
    with pytest.raises(ValidationError, match=r"'a@other\.example' is not in allowed_domains \(example\.com\)"):
        Email(to="a@other.example", allowed_domains=["example.com"])


def test_a_mail_has_at_most_50_recipients() -> None:
    many = [f"a{number}@example.com" for number in range(MAX_RECIPIENTS)]
    assert len(Email(to=many).to) == MAX_RECIPIENTS
    with pytest.raises(ValidationError, match="at most 50"):
        Email(to=many, cc="one-more@example.com")


def test_invalid_template_is_an_error_when_rules_load() -> None:
    with pytest.raises(ValidationError, match="bad template, line 1"):
        Email(to="a@example.com", subject="{{ data.runId")


def test_unknown_key_is_an_error_when_rules_load() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Email.model_validate({"to": "a@example.com", "subjct": "x"})


def test_rule_settings_survive_a_json_round_trip() -> None:
    """An action records their hash, which shows whether the rule has changed."""
    email = Email(to=OWNER, allowed_domains="example.com", subject="{{ id }}", html="<p>{{ id }}</p>")
    assert Email.model_validate_json(email.model_dump_json()) == email


@pytest.mark.parametrize("part", ["to_fallback", "reply_to"])
def test_fallback_and_reply_to_are_checked_as_recipients_are(part: str) -> None:
    with pytest.raises(ValidationError, match="'bob' is not one mail address"):
        Email.model_validate({"to": "a@example.com", part: "bob"})
    with pytest.raises(ValidationError, match="depends on the event: list the domains"):
        Email.model_validate({"to": "a@example.com", part: OWNER})


def test_constant_can_have_several_addresses() -> None:
    assert Email(to="Ann <a@example.com>; b@example.com", allowed_domains="example.com")
    with pytest.raises(ValidationError, match=r"'b@other\.example' is not in allowed_domains"):
        Email(to="a@example.com; b@other.example", allowed_domains="example.com")
    with pytest.raises(ValidationError, match=r"'a@example\.com b' is not one mail address"):
        Email(to="a@example.com b")
    with pytest.raises(ValidationError, match="51 recipients; a mail has at most 50"):
        Email(to=",".join(f"a{number}@example.com" for number in range(51)))


def test_recipient_from_a_label_requires_no_allowed_domains() -> None:
    assert Email(to="{{ workspace.labels.mail }}", reply_to="{{ workspace.labels.team }}@example.com")


def test_recipient_from_a_result_requires_allowed_domains() -> None:
    with pytest.raises(ValidationError, match="depends on the result of another rule: list the domains"):
        Email(to="{{ result.details.owner }}")


# Runs


def test_outcome_lists_the_recipients_that_were_left_out(server: MailServer) -> None:
    """The other recipients get the mail."""
    email = Email(to=["ml-team@example.com", OWNER], allowed_domains=["example.com"])
    outcome = email.run(event("x@evil.example"), Action())
    assert isinstance(outcome, Succeeded)
    assert outcome.details["left_out"] == "to: 'x@evil.example' is not in allowed_domains (example.com)"
    assert server.accepted[0].recipients == ("ml-team@example.com",)


def test_outcome_says_why_the_fallback_was_used(server: MailServer) -> None:
    email = Email(to=OWNER, to_fallback="team@example.com", allowed_domains="example.com")
    outcome = email.run(event("alice"), Action())
    assert isinstance(outcome, Succeeded)
    assert outcome.details["fallback"].startswith("to_fallback is used: to: 'alice' is not one mail address")
    assert server.accepted[0].recipients == ("team@example.com",)
    assert email.plan(event("alice")).startswith("mail to team@example.com (to_fallback is used: to: 'alice' is not")


def test_replies_go_to_reply_to(server: MailServer) -> None:
    Email(to="a@example.com", reply_to="b@example.com; c@example.com").run(event(""), Action())
    assert server.accepted[0].message["Reply-To"] == "b@example.com, c@example.com"
    assert server.accepted[0].recipients == ("a@example.com",)


@pytest.mark.parametrize(
    ("owner", "reason"),
    [
        ("x@evil.example", "the mail has no recipient: to: 'x@evil.example' is not in"),
        ("", "the mail has no recipient: `to` and `cc` are empty"),
    ],
)
def test_action_without_a_recipient_fails(settings: SetSettings, owner: str, reason: str) -> None:
    settings(EMAIL_FROM="events@example.com", EMAIL_SMTP_HOST="localhost")
    with pytest.raises(GiveUp, match=reason):
        Email(to=OWNER, bcc="archive@example.com", allowed_domains="example.com").run(event(owner), Action())


# Plans


def test_plan_names_recipients_and_subject() -> None:
    """It needs no app settings."""
    email = Email(
        to=["ml-team@example.com", OWNER], cc="c@example.com", allowed_domains="example.com", subject="{{ id }}"
    )
    plan = email.plan(RunStatusChanged.example(id="e1", run_tags={"owner": "x@evil.example"}))
    assert plan == (
        "mail to ml-team@example.com cc c@example.com "
        "(left out: to: 'x@evil.example' is not in allowed_domains (example.com)): 'e1'"
    )


def test_plan_without_a_recipient_says_so() -> None:
    assert (
        Email(to=OWNER, allowed_domains="example.com", subject="s").plan(event("")) == "mail without a recipient: 's'"
    )


@pytest.mark.parametrize("part", ["subject", "body", "html", "cc"])
def test_plan_fails_if_any_template_fails(part: str) -> None:
    """As the run itself would."""
    email = Email.model_validate({"to": "a@example.com", "allowed_domains": "example.com", part: "{{ data.nothing }}"})
    with pytest.raises(TemplateError, match="nothing"):
        email.plan(event(""))
