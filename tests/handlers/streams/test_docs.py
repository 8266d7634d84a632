"""docs/handlers/streams.md agrees with the code."""

import re
from pathlib import Path

import pytest

from dispatch.rules import load
from handlers import find
from handlers.streams.blob import MAX_LINE, SEARCHED
from handlers.streams.event_grid import MAX_EVENT
from handlers.streams.event_hub import EventHub
from handlers.streams.messaging import MAX_BODY, MAX_PROPERTY
from handlers.streams.service_bus import ServiceBus
from handlers.streams.storage_queue import MAX_MESSAGE
from schemas import Context, Event, ModelDeployed, ModelRegistered, RunCompleted, RunStatusChanged
from tests.handlers.streams.test_message import SETTINGS as HANDLERS
from tests.kit.world import SETTINGS, WORKSPACES

PAGE = (Path(__file__).resolve().parents[3] / "docs/handlers/streams.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SECTIONS = dict(re.findall(r"^##+ (.*)\n((?:(?!##).*\n)*)", PAGE, re.MULTILINE))
EVENTS: tuple[type[Event], ...] = (ModelDeployed, ModelRegistered, RunCompleted, RunStatusChanged)
SHARED = {"envelope", "type", "subject", "data", "allow_private"}


def test_rules_on_the_page_load_and_plan(tmp_path: Path) -> None:
    (tmp_path / "workspaces.yaml").write_text(WORKSPACES)
    text = "".join(f"  {line}\n" for block in BLOCKS for line in block.splitlines())
    (tmp_path / "team.yaml").write_text(f"rules:\n{text}")
    rules = load(tmp_path, SETTINGS)
    assert rules.errors == ()
    assert len(rules.by_name) == len(BLOCKS) == 6
    assert {rule.do for rule in rules.by_name.values()} == HANDLERS.keys()
    labels = {"name": "churn-prod", "labels": {"team": "churn", "env": "prod"}}
    for rule in rules.by_name.values():
        for event in EVENTS:
            if event.__name__ in rule.on:
                plan = rule.handler.plan(Context(event.example(), labels).event_for_handler())
                assert re.search(r" bytes\) (in)?to ", plan)


@pytest.mark.parametrize("name", HANDLERS)
def test_every_setting_and_role_is_on_the_page(name: str) -> None:
    handler = find(name)
    fields = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", SECTIONS[name], re.MULTILINE))))
    assert fields == handler.model_fields.keys() - SHARED
    [role] = handler.roles
    assert f"| `{name}` | {role.name} | `{role.id}` | {role.where} |" in SECTIONS["Roles"]
    assert SHARED - {"allow_private"} <= set(re.findall(r"`(\w+)`", SECTIONS["What is sent"]))


def test_limits_on_the_page_are_those_of_the_code() -> None:
    assert MAX_EVENT == MAX_BODY == 1_048_576
    assert EventHub.lowest_limit == ServiceBus.lowest_limit == 262_144
    for size in (MAX_EVENT, EventHub.lowest_limit, MAX_MESSAGE, MAX_MESSAGE // 4 * 3, MAX_LINE):
        assert f"{size:,}" in SECTIONS["What is sent"]
    assert f"({SEARCHED // 2**20} MiB)" in SECTIONS["blob"]
    for name in ("event_hub", "service_bus"):
        assert f"cut to {MAX_PROPERTY} characters" in SECTIONS[name]
