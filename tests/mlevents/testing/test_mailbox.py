"""The mailbox for tests."""

import os

import pytest

from mlevents.testing import mailbox, run_rules
from schemas import RunStatusChanged

RULES = """
rules:
  - name: mail
    on: RunStatusChanged
    in: { env: prod }
    do: email
    with: { to: [team@example.com], subject: "{{ data.runId }} failed" }
"""


def test_mails_of_a_rule_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the mailbox, whatever the machine's own settings are."""
    monkeypatch.setenv("EMAIL_ACS_ENDPOINT", "https://acs.example.com")
    with mailbox("app@example.com") as mails:
        [ended] = run_rules(RULES, RunStatusChanged.example(run_id="brave_kiwi"))
        assert ended.status == "succeeded", ended.note
    [mail] = mails
    assert (mail.subject, mail.sender) == ("brave_kiwi failed", "app@example.com")
    assert mail.recipients == ("team@example.com",)
    assert os.environ["EMAIL_ACS_ENDPOINT"] == "https://acs.example.com"
    assert "EMAIL_SMTP_HOST" not in os.environ


def test_a_mail_is_sent_once_although_the_worker_dies() -> None:
    """The email handler does not know whether the mail went out, and says so."""
    with mailbox() as mails:
        [ended] = run_rules(RULES, RunStatusChanged.example(), dies_after={1})
    assert [call.died for call in ended.calls] == [True, False]
    assert len({mail.message["Message-ID"] for mail in mails}) == 1
