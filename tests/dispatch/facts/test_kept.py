"""What is kept beside an event is shown, and decides late conditions, without a request to the service."""

from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.facts.kept import NOT_ASKED, kept_facts, kept_source, values_of
from dispatch.guards.standings import standings_now
from dispatch.rules.explain import explain
from schemas.facts import ModelFacts
from tests.dispatch.facts.test_actions import EVENT, OUT_OF_MEMORY, Service, log, started
from tests.dispatch.replay.helpers import stored
from tests.kit.world import World, rule
from tests.web.browser import Browser

LATE = "[run.error.code StringIn {0}, any: [run.owner IsNotNull, run.duration NumberGreaterThan 60]]"


def ran(folder: Path, code: str) -> World:
    world = started(folder, Service(OUT_OF_MEMORY), rule("ring", when=LATE.format(code)))
    world.run()
    return world


def test_values_have_the_keys_of_rules() -> None:
    model = ModelFacts.model_validate({"flavor": "sklearn", "description": "", "serving": [{"version": "6"}]})
    found = values_of({"run": OUT_OF_MEMORY, "model": model})
    assert found["run.error.code"] == "OutOfMemory"
    assert (found["model.serving[0].version"], found["model.flavor"]) == ("6", "sklearn")
    assert "model.description" not in found


def test_event_whose_actions_read_no_facts_costs_no_query(tmp_path: Path) -> None:
    world = started(tmp_path, Service(OUT_OF_MEMORY), rule("ring"))
    world.run()
    assert kept_facts(None, stored(world)) == {}  # type: ignore[arg-type]
    assert kept_source(world.table, stored(world))("run").unavailable == NOT_ASKED


@pytest.mark.parametrize(("code", "key"), [("OutOfMemory", ""), ("UserError", "when")])
def test_verdict_has_the_value_that_was_kept(tmp_path: Path, code: str, key: str) -> None:
    world = ran(tmp_path, code)
    context = replace(world.loaded.context(EVENT), facts=kept_source(world.table, stored(world)))
    [verdict] = explain(world.loaded, context)
    assert verdict.key == key
    assert verdict.reason == (
        "run.error.code StringIn UserError is false: run.error.code is 'OutOfMemory'" if key else ""
    )


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("OutOfMemory", "true: run.error.code StringIn OutOfMemory; (run.owner IsNotNull or run.duration Number"),
        ("UserError", "run.error.code StringIn UserError is false: run.error.code is 'OutOfMemory'"),
    ],
)
def test_guard_stands_by_what_is_kept(tmp_path: Path, code: str, text: str) -> None:
    world = ran(tmp_path, code)
    [found, *_] = standings_now(world.loaded.by_name["ring"], world.loaded.context(EVENT), [], world.app, stored(world))
    assert (found.guard, found.stops) == ("when", code == "UserError")
    assert found.text.startswith(text)


def test_guard_of_an_event_that_is_not_recorded_is_not_decided(tmp_path: Path) -> None:
    world = started(tmp_path, Service(OUT_OF_MEMORY), rule("ring", when=LATE.format("UserError")))
    for recorded in (None, stored(world)):
        [found, *_] = standings_now(world.loaded.by_name["ring"], world.loaded.context(EVENT), [], world.app, recorded)
        assert found.text.startswith(
            "decided when it acts, from what Azure ML knows: run.error.code StringIn UserError"
        )
        assert not found.stops


def test_page_of_an_event_shows_the_values_and_the_log(tmp_path: Path) -> None:
    known = OUT_OF_MEMORY.model_copy(update={"log_tail": "<b>first\nlast", "url": "https://ml.azure.com/runs/x"})
    world = started(tmp_path, Service(known), log("{{ run.display_name }}"))
    world.run()
    browser = Browser(world)
    page = browser.page(browser.first_event())
    assert "What Azure ML said" in page.text
    assert "run.error.message CUDA out of memory" in page.text
    assert "<b>first" in page.text
