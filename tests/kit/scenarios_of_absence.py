"""Scenarios of `still_after` and `unless`: an action waits, and acts only if nothing has changed meanwhile."""

from schemas import ModelRegistered
from tests.kit.crash_enumeration import Scenario, ScenarioRun, effects_of
from tests.kit.scenarios import file, scripted_rule

NEW, DONE = "data.modelTags.stage StringIn new", "data.modelTags.stage StringIn done"


def staged(id: str, model: str, stage: str, seconds: int) -> ModelRegistered:
    """The registration of a model with a tag."""
    time = f"2026-11-22T08:00:{seconds:02}Z"
    return ModelRegistered.example(id=id, model_name=model, event_time=time, model_tags={"stage": stage})


def _only_the_state_that_lasts(run: ScenarioRun) -> None:
    """A rule that waits never acts on the event whose object has changed, and not before its time."""
    for rule in ("lasts", "unless"):
        assert {effect.event for effect in effects_of(run, rule)} == {"stays"}
    reasons = [record.note for (event, _), record in run.actions().items() if event == "changes"]
    assert all("on record" in reason and "2026-11-22 08:00:03 UTC" in reason for reason in reasons)


LASTING = Scenario(
    "lasting",
    files={
        "team.yaml": file(
            "lasting",
            scripted_rule("lasts", "retry", "succeed", on="ModelRegistered", when=NEW, still_after="62m"),
            scripted_rule(
                "unless",
                on="ModelRegistered",
                when=NEW,
                still_after="61m",
                unless=f"{{ event: ModelRegistered, when: {DONE}, same: object }}",
            ),
            scripted_rule(
                "first",
                on="ModelRegistered",
                when=DONE,
                unless=f"{{ event: ModelRegistered, when: {NEW}, same: object, within: 1h }}",
            ),
        )
    },
    events=(staged("changes", "a", "new", 1), staged("stays", "b", "new", 2), staged("changed", "a", "done", 3)),
    ends={
        ("changes", "lasts"): "skipped",
        ("changes", "unless"): "skipped",
        ("stays", "lasts"): "succeeded",
        ("stays", "unless"): "succeeded",
        ("changed", "first"): "skipped succeeded",  # the earlier event may be received after it
    },
    poisons=("stays", "unless"),
    check=_only_the_state_that_lasts,
)
