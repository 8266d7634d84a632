"""`mlevents status`, on the rows and queues of an app in Azurite."""

import json
from datetime import date, timedelta

from dispatch.evidence.deadlines import decide_deadlines
from dispatch.inbox.storage_account import Storage
from dispatch.settings import Environment
from dispatch.sweep import sweep
from mlevents.commands.status import status_of
from mlevents.record import open_record
from schemas import ModelRegistered, RunStatusChanged
from tests.kit.world import rule
from tests.mlevents.commands.deployed import Deployed


def lines(out: str) -> list[str]:
    return [line for line in out.splitlines() if not line.startswith(("settings are ", "storage is "))]


def test_app_that_works_is_well(deployed: Deployed) -> None:
    deployed.rules(rule("mail"))
    deployed.receive(RunStatusChanged.example())
    deployed.work()
    sweep(deployed.app)
    code, out = deployed.run("status")
    assert (code, lines(out)[0], lines(out)[2:]) == (
        0,
        "1 rule in force",
        [
            "today: no event is counted yet; the sweep does so every 5 minutes",
            "0 open actions",
        ],  # the event is of another day
    )


def test_waiting_actions_are_listed_with_their_next_try(deployed: Deployed) -> None:
    deployed.rules(rule("mail", "retry the server is down"), rule("wait", "wait 3000", on="ModelRegistered"))
    deployed.receive(RunStatusChanged.example(), ModelRegistered.example())
    deployed.work()
    sweep(deployed.app)
    code, out = deployed.run("status")
    assert code == 1
    text = "\n".join(lines(out))
    assert "1 action is retried without success so far" in text
    assert "2 open actions: 2 waiting" in text
    assert "mail: waiting, failed 1 time; next 20" in text
    assert "the server is down" in text
    found = json.loads(deployed.run("status", "--json")[1])
    assert {action["rule"] for action in found["actions"]} == {"mail", "wait"}
    assert (found["open"], found["rules"], found["refusedFiles"]) == (2, 2, [])


def test_faults_are_problems(deployed: Deployed) -> None:
    """Refused files, a sweep that never ran, and messages in a poison queue."""
    deployed.rules(rule("mail"))
    (deployed.folder / "rules/bad.yaml").write_text("rules: [{name: x}]")
    name = f"{deployed.settings['MLEVENTS_QUEUE']}-poison"
    with Storage.of(Environment(deployed.settings)).queue(name) as queue:
        queue.create_queue()
        queue.send_message("x")
    code, out = deployed.run("status")
    assert code == 1
    assert lines(out)[1:4] == [
        "rules/bad.yaml is invalid, so its rules do not act: see `mlevents check`",
        f"1 message is in the queue {name}, which the app's functions empty: do they run?",
        "the timer function `sweep` has never run: is the app deployed and running?",
    ]
    (deployed.folder / "rules/workspaces.yaml").write_text("workspaces: 1")
    assert "workspaces.yaml is invalid, so no rule acts: see `mlevents check`" in deployed.run("status")[1]


def test_sweep_that_is_late_is_a_problem(deployed: Deployed) -> None:
    deployed.rules(rule("mail"))
    sweep(deployed.app)
    found = status_of(open_record(deployed.folder))
    assert found.problems == []
    found.now += timedelta(minutes=16)
    assert [problem.startswith("the timer function `sweep` last ran at 20") for problem in found.problems] == [True]


def test_numbers_of_the_day_and_throttles_are_shown(deployed: Deployed) -> None:
    deployed.rules(rule("mail", "throttle 600"))
    now = deployed.app.now()
    deployed.receive(RunStatusChanged.example(event_time=f"{now:%Y-%m-%dT%H:%M:%S}Z"))
    deployed.work()
    sweep(deployed.app)
    text = "\n".join(lines(deployed.run("status")[1]))
    assert "today: 1 received" in text
    assert "a service is throttled until " in text


def test_next_deadlines_are_shown(deployed: Deployed) -> None:
    """Of each workspace, the earliest first; one that has passed and is not decided is a problem."""
    every = [f"daily-{n}" for n in range(6)]
    all_year = [date(2024, 1, 1) + timedelta(days=n) for n in range(366)]
    holidays = ", ".join(f"'{day:%m-%d}'" for day in all_year)
    never = f"expect: {{ event: RunCompleted, by: '23:59', holidays: [{holidays}] }}"
    deployed.rules(
        *(f"  - {{ name: {name}, expect: {{ event: RunCompleted, by: '12:00' }}, do: log }}\n" for name in every),
        f"  - {{ name: never, {never}, in: churn-dev, do: log }}\n",
    )
    app = deployed.app
    decide_deadlines(app, lambda: True)
    sweep(app)
    code, out = deployed.run("status")
    assert code == 0
    first = next(line for line in lines(out) if "deadline" in line)
    assert first.startswith("next deadline: daily-0 in churn-dev: 20")
    assert "and 8 later deadlines: `mlevents status --json`" in out
    found = json.loads(deployed.run("status", "--json")[1])["deadlines"]
    assert len(found) == 13
    assert found[-1] == {"rule": "never", "workspace": "churn-dev", "deadline": None, "timezone": "UTC", "last": ""}
    state = status_of(open_record(deployed.folder))
    state.now += timedelta(days=2)
    assert "a deadline has passed and is not decided (daily-0 in churn-dev: 20" in state.problems[-1]
    assert state.problems[-1].endswith("): does the timer function `watch` run?")
