"""`mlevents doctor --live`, on the real local host and an emulated Azure: an event, its mail, and what is left."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dispatch.receive import receive
from emulator import Azure
from mlevents.commands.doctor import live_test
from mlevents.doctor import live
from mlevents.doctor.diagnosis import Diagnosis, Subject
from mlevents.doctor.function_app import client, read
from mlevents.doctor.live import Pace
from mlevents.doctor.trial import Trial, Unsuitable, trial
from mlevents.local.app import LocalApp
from mlevents.record import record_of
from mlevents.subscriptions.deployment import EVENT_GRID_VERSION
from mlevents.testing.storage import NOW
from tests.kit.started import ROOT
from tests.kit.world import SETTINGS, World, rule, rules
from tests.mlevents.commands.deployed import Terminal
from tests.mlevents.doctor.project import Project
from tests.mlevents.doctor.test_azure import GROUP, SITE, add_site

MAILS = """
rules:
  - { name: mail-runs, on: RunCompleted, in: churn-dev, do: email, with: { to: [team@example.com] } }
  - { name: log-runs, on: RunCompleted, do: log }
"""


def subject_with(project: Project, text: str) -> Subject:
    project.write("rules/team.yaml", text)
    project.settings(EMAIL_FROM="app@example.com", EMAIL_SMTP_HOST="localhost")
    return project.subject


def chosen(project: Project, text: str, name: str = "") -> Trial:
    subject = subject_with(project, text)
    assert subject.rules
    assert not subject.rules.errors, subject.rules.errors
    return trial(subject.rules, name, NOW)


# --- the event --------------------------------------------------------------------------------------------------------


def test_event_is_one_that_the_rule_mails_about(project: Project) -> None:
    found = chosen(project, MAILS)
    assert (found.rule.name, type(found.event).__name__) == ("mail-runs", "RunCompleted")
    assert found.plan.startswith("mail to team@example.com")
    assert found.event.event_time == NOW
    assert found.event.topic == SETTINGS["RULES_WS_CHURN_DEV"]


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        (MAILS, "log-runs", "log-runs is no rule that mails about events, without dry_run; these do: mail-runs"),
        (MAILS.replace("in: churn-dev,", "dry_run: true,"), "", "these do: none"),
        (
            MAILS.replace(
                "name: log-runs, on: RunCompleted, do: log",
                "name: b, on: RunCompleted, do: email, with: { to: [x@example.com] }",
            ),
            "",
            "these do: mail-runs, b",
        ),
        (MAILS.replace("in: churn-dev,", "when: object StringIn nothing,"), "", "matches no event that can be made up"),
        (
            MAILS.replace("do: log }", "do: webhook, with: { url: 'https://example.com/x' } }"),
            "",
            "would also start log-runs (webhook)",
        ),
        (
            MAILS
            + "  - { name: c, after: { rules: mail-runs }, do: webhook, with: { url: 'https://example.com/x' } }\n",
            "",
            "would also start c (webhook)",
        ),
    ],
    ids=range(6),
)
def test_events_that_would_do_more_are_refused(text: str, name: str, reason: str, project: Project) -> None:
    with pytest.raises(Unsuitable) as refusal:
        chosen(project, text, name)
    assert reason in str(refusal.value)


# --- the steps --------------------------------------------------------------------------------------------------------


@pytest.fixture
def local(azure: Azure, project: Project, tmp_path: Path) -> Iterator[LocalApp]:
    """The app on the real local host, subscribed to the emulated Event Grid."""
    project.write("rules/team.yaml", MAILS)
    settings = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    settings |= {"MLEVENTS_RULES": str(project.folder / "rules"), **SETTINGS}
    with LocalApp(ROOT, settings=settings, folder=tmp_path / "state") as app:
        azure.events.deliver_to(app.url_of("azureml_event"))
        yield app


def options(local: LocalApp, azure: Azure) -> tuple[str, ...]:
    names = (
        "AzureWebJobsStorage",
        "EMAIL_FROM",
        "EMAIL_SMTP_HOST",
        "EMAIL_SMTP_PORT",
        "EMAIL_SMTP_SECURITY",
        *SETTINGS,
    )
    add_site(azure, {name: local.environment[name] for name in names})
    return ("--live", "--function-app", "my-events", "-g", "rg-app", "--yes")


def groups(azure: Azure) -> list[str]:
    with azure.state.lock:
        return [each.id for each in azure.state.all() if "rg-mlevents-doctor" in each.id]


@pytest.mark.timeout(300)
def test_real_event_leads_to_a_mail_and_nothing_is_left(local: LocalApp, azure: Azure, project: Project) -> None:
    code, out = project.run(*options(local, azure))
    assert code == 0, out
    assert len(local.mails) == 1
    assert groups(azure) == []
    told = out.partition("--- paste this into an issue ---")[2]
    assert "| the mail is accepted | ok |" in told
    assert "| the scratch resource group is deleted | ok |" in told
    assert "team@example.com" not in told
    assert "11111111-1111" not in told


QUICK = Pace(most=0.0, pause=0.0)


@pytest.fixture
def steps(azure: Azure, project: Project, azurite_connection: str) -> Callable[..., list[Diagnosis]]:
    """Run the steps, with nothing that delivers or acts."""
    add_site(azure, {})
    subject = subject_with(project, MAILS)
    assert subject.rules
    environment = {**subject.environment, "AzureWebJobsStorage": azurite_connection, "MLEVENTS_TABLE": "livetest"}

    def run(emit: Callable[[Diagnosis], None] | None = None) -> list[Diagnosis]:
        found: list[Diagnosis] = []
        app = read(SITE, "", [])
        record, event = record_of(project.folder, environment), chosen(project, MAILS)
        if world := getattr(run, "world", None):
            record = replace(record, app=world.app)

        def both(each: Diagnosis) -> None:
            found.append(each)
            if emit:
                emit(each)

        live.run(app, record, event, QUICK, both)
        return found

    return run


def test_event_that_does_not_arrive_is_an_error(steps: Callable[..., list[Diagnosis]], azure: Azure) -> None:
    found = steps()
    assert [each.severity for each in found] == ["ok", "ok", "ok", "error", "ok"]
    assert found[3].what == "the event is not on record after 0 s"
    assert groups(azure) == []
    [event] = azure.events.all
    assert (event["specversion"], event["source"]) == ("1.0", SETTINGS["RULES_WS_CHURN_DEV"])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("rules: []\n", "the rule has no action: the app has other rules"),
        (rules(rule("mail-runs", "give-up no server", on="RunCompleted")), "the action is failed: no server"),
    ],
)
def test_mail_that_is_not_accepted_is_an_error(
    text: str, error: str, steps: Callable[..., list[Diagnosis]], azure: Azure, tmp_path: Path
) -> None:
    """The deployed app has other rules, or its mail server refuses."""
    world = World(text, tmp_path)
    steps.world = world  # type: ignore[attr-defined]
    azure.events.subscribe(lambda event: act_on(event, world))
    found = steps()
    assert found[3].what == "the app has recorded the event"
    assert error in found[4].what
    assert found[5].what == "the scratch resource group is deleted"


def act_on(event: dict[str, Any], world: World) -> None:
    receive(json.dumps(event), world.app)
    world.run()


@pytest.mark.parametrize(
    ("match", "text"),
    [
        ("PUT */resourcegroups/rg-mlevents-doctor-????????", "creating a resource group failed: HTTP 403"),
        ("PUT */topics/rg-mlevents-doctor-????????", "creating a topic failed: HTTP 403"),
        ("PUT */eventSubscriptions/*", "subscribing the function failed: HTTP 403"),
        ("POST /topics/*", "the topic refused the event: HTTP 403"),
        ("DELETE *", "the resource group cannot be deleted: HTTP 403"),
    ],
)
def test_step_that_is_refused_is_reported(
    match: str, text: str, steps: Callable[..., list[Diagnosis]], azure: Azure
) -> None:
    azure.faults.fail(match, status=403, code="AuthorizationFailed", message="no role")
    found = steps()
    [error] = [each for each in found if text in each.what]
    if match.startswith("DELETE"):
        assert error.to_do.startswith("`az group delete --yes --subscription 11111111-")
    else:
        assert groups(azure) == []
        assert found[-1].what == "the scratch resource group is deleted"


def test_interrupted_test_deletes_its_group(steps: Callable[..., list[Diagnosis]], azure: Azure) -> None:
    """At each step."""
    for nth in range(1, 4):
        seen: list[Diagnosis] = []

        def interrupt(each: Diagnosis, nth: int = nth, seen: list[Diagnosis] = seen) -> None:
            seen.append(each)
            if len(seen) == nth:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            steps(interrupt)
        assert groups(azure) == []
        assert seen[-1].what == "the scratch resource group is deleted"


def test_second_interruption_prints_what_to_do(
    steps: Callable[..., list[Diagnosis]], azure: Azure, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(request: Any) -> None:
        if request.method == "DELETE":
            os.kill(os.getpid(), signal.SIGINT)

    azure.service.before.append(interrupt)
    with pytest.raises(KeyboardInterrupt):
        steps()
    assert "interrupted: delete the resource group yourself: az group delete" in capsys.readouterr().out


def test_resources_that_fail_or_are_late_are_reported(azure: Azure) -> None:
    topic = f"{GROUP}/providers/Microsoft.EventGrid/topics/t"
    arm = client(EVENT_GRID_VERSION)
    for state, text in (("Failed", "the topic is Failed"), ("Creating", "the topic is not ready after 0 s")):
        with azure.state.lock:
            azure.state.add(topic, {"properties": {"provisioningState": state}})
        with pytest.raises(live._Failed, match=text):
            live._succeeded(arm, topic, "the topic", QUICK)


# --- the command ------------------------------------------------------------------------------------------------------


def test_command_asks_and_refuses(
    azure: Azure, project: Project, azurite_connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "AzureWebJobsStorage": azurite_connection,
        "EMAIL_FROM": "a@example.com",
        "EMAIL_SMTP_HOST": "localhost",
    }
    project.write("rules/team.yaml", MAILS)
    add_site(azure, {**settings, **SETTINGS})
    names = ("--live", "--function-app", "my-events", "-g", "rg-app")
    assert project.run("--live", "--yes")[0] == 2
    code, out = project.run(*names)
    assert (code, "without a terminal, add --yes" in out) == (2, True), out
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, out = project.run(*names)
    assert code == 0, out
    assert "rule mail-runs will mail to team@example.com" in out
    assert groups(azure) == []
    assert project.run(*names[:2], "other", *names[3:])[0] == 2
    code, out = project.run(*names, "--rule", "log-runs", "--yes")
    assert (code, "is no rule that mails" in out) == (2, True)
    azure.faults.fail("POST */config/appsettings/list", status=403, code="AuthorizationFailed", message="no")
    assert "--live needs valid rules" in project.run(*names, "--yes")[1]


def test_signals_end_it_like_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt), live_test._terminable():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_report_has_no_ids_and_no_addresses() -> None:
    text = "a | 11111111-1111-1111-1111-111111111111 alice@example.com"
    lines = live_test.report([(Diagnosis("live", "ok", text), 3.2)])
    assert lines[5] == "| a \\| 1111… ADDRESS | ok | 3 s |"
    assert "azure-functions" in lines[-2]
