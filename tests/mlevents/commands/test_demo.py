"""What `mlevents demo` prints about mails."""

from datetime import UTC, datetime, timedelta
from email import message_from_string, policy
from io import StringIO
from pathlib import Path
from typing import cast

import pytest

from dispatch.rules import load
from handlers.base import Action
from handlers.email.address import Mailbox
from handlers.email.content import Content
from handlers.email.headers import headers_of
from handlers.email.message import Mail as Sent
from mlevents.__main__ import COMMANDS
from mlevents.commands.demo.demo import show_mails, show_next
from mlevents.commands.demo.silence import rules_for_demo
from mlevents.commands.demo.stage import Stage
from mlevents.console import Console
from mlevents.local.app import LocalApp
from mlevents.local.mailbox import Mail
from schemas import Event, ModelRegistered, RunStatusChanged
from tests.kit.world import SETTINGS

SAMPLES = Path(__file__).parents[3] / "samples/rules"
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


def test_each_mail_has_a_line_of_80_columns() -> None:
    stream = StringIO()
    show_mails([mail(ModelRegistered.example(model_name="m" * 100)), mail(RunStatusChanged.example())], Console(stream))
    title, *lines = stream.getvalue().splitlines()
    assert title == "Mails"
    assert lines[0].startswith("  to ml-team@example.com: [churn-prod] Model mmm")
    assert len(lines) == 2
    assert all(len(line) <= 80 for line in lines)


def test_a_mail_is_printed_whole_within_80_columns() -> None:
    """Links are longer."""
    failed, stream = RunStatusChanged.example(), StringIO()
    Stage(cast(LocalApp, None), Console(stream)).show(mail(failed))
    lines = stream.getvalue().splitlines()
    printed = [line.removeprefix("  ").rstrip() for line in lines]
    whole = [line.rstrip() for line in CONTENT.render_text(failed, ACTION).splitlines()]
    start = printed.index(whole[0])
    assert printed[start : start + len(whole)] == whole
    assert all(len(line) <= 80 for line in lines if "https://" not in line)


def test_rules_of_the_demo_have_a_deadline_that_is_soon(tmp_path: Path) -> None:
    """At any time of the day; all other rules are those of the samples."""
    for hour in (9, 23):
        now = datetime(2026, 11, 22, hour, 58, 30, tzinfo=UTC)
        found = load(rules_for_demo(SAMPLES, tmp_path / "rules", now), SETTINGS)
        assert (found.errors, found.warnings) == ((), ())
        assert found.by_name.keys() == load(SAMPLES, SETTINGS).by_name.keys()
        expect = found.by_name["mail-missing-nightly-training"].expect
        assert expect is not None
        [deadline] = expect.calendar("UTC").between(now, now + timedelta(hours=1))
        assert timedelta(minutes=2) <= deadline.at - now <= timedelta(minutes=3)


def test_rules_without_the_times_that_the_demo_shortens_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples/silence.yaml").write_text("rules: []")
    with pytest.raises(LookupError, match=r"silence\.yaml has no 'by: \"06:30\"'"):
        rules_for_demo(tmp_path / "samples", tmp_path / "rules", datetime(2026, 11, 22, tzinfo=UTC))


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
