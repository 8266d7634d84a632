"""Scenarios that together take an action through every state."""

from itertools import groupby

from dispatch.inbox.history.facts import read_facts
from dispatch.inbox.keys import event_key
from schemas import ModelRegistered, RunStatusChanged
from schemas.facts import RunFacts
from tests.kit.crash_enumeration import Scenario, ScenarioRun, effects_of
from tests.kit.world import WORKSPACES, entry


def scripted_rule(name: str, *script: str, do: str = "ScriptedSteps", on: str = "RunStatusChanged", **keys: str) -> str:
    """A rule of a rules file; `file` inserts the name of the scenario."""
    words = ", ".join(f'"{word}"' for word in script or ("succeed",))
    given = {
        "do": f"tests.kit.scripted_handler:{do}",
        "with": f"{{ scenario: SCENARIO, script: [{words}] }}",
    }
    return entry({"name": name, **({} if "after" in keys else {"on": on}), **keys, **given})


def file(scenario: str, *entries: str) -> str:
    """A rules file."""
    return "rules:\n" + "".join(entries).replace("SCENARIO", scenario)


def run_event(id: str, status: str, seconds: int) -> RunStatusChanged:
    time = f"2026-11-22T08:00:{seconds:02}Z"
    return RunStatusChanged.example(
        id=id, run_id="r1", run_status=status, event_time=time, run_tags={}, run_properties={}
    )


def model_event(id: str, version: str, seconds: int) -> ModelRegistered:
    return ModelRegistered.example(id=id, model_version=version, event_time=f"2026-11-22T08:00:{seconds:02}Z")


FOLLOWING = Scenario(
    "following",
    files={
        "team.yaml": file(
            "following",
            scripted_rule("a", "retry", "wait 60", "succeed"),
            scripted_rule("b", "give-up"),
            scripted_rule("after-a", "wait 5", "succeed", after="{ rules: [a, b], outcome: any }"),
            scripted_rule("after-after", after="{ rules: after-a }"),
            scripted_rule("after-nothing", after="{ rules: a, outcome: failed }"),
        )
    },
    events=(run_event("e1", "Failed", 1),),
    ends={
        ("e1", "a"): "succeeded",
        ("e1", "b"): "failed",
        ("e1", "after-a"): "succeeded",
        ("e1", "after-after"): "succeeded",
    },
    loses=("e1", "after-after"),
    poisons=("e1", "a"),
)


def _in_order(run: ScenarioRun) -> None:
    """The late event is not acted on after the latest one, and `at_most` allows one of the two."""
    acted = [effect.event for effect in effects_of(run, "latest")]
    assert "late" not in acted[acted.index("latest") :]
    counted = sorted(record.status for (_, rule), record in run.actions().items() if rule == "once")
    assert counted == ["skipped", "succeeded"]
    assert len({effect.event for effect in effects_of(run, "once")}) == 1


GUARDED = Scenario(
    "guarded",
    files={
        "team.yaml": file(
            "guarded",
            scripted_rule("latest", "retry", "succeed", latest_only="true"),
            scripted_rule("once", "retry", "succeed", at_most="{ count: 1, every: 1d, by: data.runId }"),
        )
    },
    events=(run_event("latest", "Failed", 2), run_event("late", "Running", 1)),
    ends={
        ("latest", "latest"): "succeeded",
        ("late", "latest"): "succeeded skipped",
        ("latest", "once"): "succeeded skipped",
        ("late", "once"): "succeeded skipped",
    },
    most_dequeues=1,
    check=_in_order,
)


def _one_at_a_time(run: ScenarioRun) -> None:
    """Neither action starts before the other one has ended."""
    in_order = [event for event, _ in groupby(effect.event for effect in effects_of(run, "deploy"))]
    assert sorted(in_order) == ["v1", "v2"]


LOCKED = Scenario(
    "locked",
    files={
        "team.yaml": file(
            "locked", scripted_rule("deploy", "wait 20", "succeed", do="LockedSteps", on="ModelRegistered")
        )
    },
    events=(model_event("v1", "1", 1), model_event("v2", "2", 2)),
    ends={("v1", "deploy"): "succeeded", ("v2", "deploy"): "succeeded"},
    check=_one_at_a_time,
)

REFUSED = Scenario(
    "refused",
    files={
        "team.yaml": file("refused", scripted_rule("valid", "succeed")),
        "other.yaml": file("refused", scripted_rule("late", when="[nonsense]")),
    },
    fixed={
        "other.yaml": file(
            "refused",
            scripted_rule("late", "retry", "succeed"),
            scripted_rule("late-after", after="{ rules: valid }"),
            scripted_rule("unmatched", on="RunCompleted"),
        )
    },
    events=(run_event("e1", "Failed", 1),),
    ends={("e1", "valid"): "succeeded", ("e1", "late"): "succeeded", ("e1", "late-after"): "succeeded"},
    most_dequeues=1,
)


def _reported_once(run: ScenarioRun) -> None:
    """Every failure is reported: by an alert of its own, or in the number of a digest."""
    assert {record.status for record in run.alerts()} <= {"succeeded"}
    assert len(run.alerts()) <= 1
    in_digests = [int(digest.data.summary.split()[0]) for digest in run.digests()]
    assert len(run.alerts()) + sum(in_digests) == len(run.scenario.events)
    assert len(in_digests) <= 2


ALERTED = Scenario(
    "alerted",
    files={
        "workspaces.yaml": WORKSPACES
        + 'alerts: { do: "tests.kit.scripted_handler:ScriptedSteps", with: { scenario: alerted } }\n',
        "team.yaml": file("alerted", scripted_rule("ring", "give-up")),
    },
    events=tuple(run_event(f"e{n}", "Failed", n) for n in range(3)),
    ends={(f"e{n}", "ring"): "failed" for n in range(3)},
    check=_reported_once,
)


def _kept(run: ScenarioRun) -> None:
    """Both rules have read what is kept beside the event, in one row."""
    [event] = run.scenario.events
    day, key = event_key(event)
    assert read_facts(run.inbox.table, day, key) == {"run": run.scenario.known}


LATE = Scenario(
    "late conditions",
    files={
        "team.yaml": file(
            "late conditions",
            scripted_rule("out-of-memory", "wait 60", "succeed", when="[run.error.code StringIn OutOfMemory]"),
            scripted_rule("other", when="[data.runStatus StringIn Failed, run.error.code StringIn UserError]"),
        )
    },
    events=(run_event("e1", "Failed", 1),),
    ends={("e1", "out-of-memory"): "succeeded", ("e1", "other"): "skipped"},
    known=RunFacts.model_validate({"error": {"code": "OutOfMemory"}}),
    check=_kept,
)

SCENARIOS = (FOLLOWING, GUARDED, LOCKED, REFUSED, ALERTED, LATE)
