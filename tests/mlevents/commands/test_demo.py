"""What `mlevents demo` prints about mails."""

from email import message_from_string, policy
from io import StringIO
from pathlib import Path
from typing import cast

from handlers.base import Action
from handlers.email.address import Mailbox
from handlers.email.content import Content
from handlers.email.headers import headers_of
from handlers.email.message import Mail as Sent
from mlevents.__main__ import COMMANDS
from mlevents.commands.demo.demo import show_mails, show_next
from mlevents.console import Console
from mlevents.local.app import LocalApp
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


def test_demo_ends_with_what_to_try_next_within_80_columns() -> None:
    """Each command exists."""
    stream = StringIO()
    show_next(Console(stream), None)
    lines = stream.getvalue().splitlines()
    assert lines[1] == "What to try next"
    assert all(len(line) <= 80 for line in lines)
    tool = [line.split()[1] for line in lines if line.startswith("  mlevents ")]
    assert len(tool) == 3
    assert set(tool) <= COMMANDS.keys()


def test_app_that_keeps_running_is_named_with_its_address() -> None:
    class Kept:
        url = "http://127.0.0.1:7"

        def url_of(self, function: str) -> str:
            return f"{self.url}/{function}"

    show_next(console := Console(), cast(LocalApp, Kept()))
    assert [*console.lines][1:] == [
        "The app keeps running. See what happened at http://127.0.0.1:7/api/web",
        "Send it events at:",
        "  http://127.0.0.1:7/azureml_event",
        "Ctrl-C stops everything.",
    ]
