"""What `mlevents demo` prints about mails."""

from email import message_from_string, policy
from io import StringIO
from pathlib import Path

from handlers.base import Action
from handlers.email.address import Mailbox
from handlers.email.content import Content
from handlers.email.headers import headers_of
from handlers.email.message import Mail as Sent
from mlevents.commands.demo.demo import show_mails
from mlevents.console import Console
from mlevents.local.mailbox import Mail
from schemas import Event, ModelRegistered, RunStatusChanged

CONTENT, ACTION = Content(), Action("mail-failed-runs", "rules/churn.yaml:8")


def mail(event: Event) -> Mail:
    sent = Sent(
        ACTION.key,
        Mailbox("azureml-events@example.com"),
        ("ml-team@example.com",),
        CONTENT.render_subject(event),
        CONTENT.render_text(event, ACTION),
        headers=headers_of(event, ACTION, "example.com"),
    )
    message = message_from_string(sent.as_bytes().decode(), policy=policy.default)
    return Mail(Path("0001.eml"), "azureml-events@example.com", ("ml-team@example.com",), message)


def test_one_mail_is_printed_whole_within_80_columns() -> None:
    """Links are longer. Of the others, there is one line."""
    failed, registered = RunStatusChanged.example(), ModelRegistered.example(model_name="m" * 100)
    stream = StringIO()
    show_mails([mail(registered), mail(failed), mail(failed)], Console(stream))
    lines = stream.getvalue().splitlines()
    assert lines[1].startswith("  to ml-team@example.com: [churn-prod] Model mmm")
    whole = CONTENT.render_text(failed, ACTION).splitlines()
    printed = [line.removeprefix("  ").rstrip() for line in lines]
    start = printed.index(whole[0])
    assert printed[start : start + len(whole)] == [line.rstrip() for line in whole]
    assert printed.count(whole[0]) == 1
    assert all(len(line) <= 80 for line in lines if "https://" not in line)


def test_without_a_failed_run_no_mail_is_printed_whole() -> None:
    stream = StringIO()
    show_mails([mail(ModelRegistered.example())], Console(stream))
    assert len(stream.getvalue().splitlines()) == 2
