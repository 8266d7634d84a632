"""Upgrades: this release continues with the rows and messages of an earlier one, with an action in every state.

golden/release_0.1.json has the table's rows and the queue's messages that release 0.1 wrote. Files of later releases
are beside it; none is ever changed.
"""

import base64
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatch.inbox.tables import Row, Value
from dispatch.sweep import sweep
from schemas import RunStatusChanged
from tests.kit.world import WORKSPACES, World, rule, rules

GOLDEN = sorted((Path(__file__).parent / "golden").glob("release_*.json"))
MOVED = {
    "tests.dispatch.world:": "tests.kit.world:",
    "tests.dispatch.test_versions_notes:Turns": "tests.dispatch.inbox.test_upgrade_shared_state:Locked",
    "tests.dispatch.test_versions_notes:OtherTurns": "tests.dispatch.inbox.test_upgrade_shared_state:OtherLocked",
    "tests.dispatch.test_versions_notes:Asks": "tests.dispatch.inbox.test_upgrade_shared_state:Shared",
}
DAY = "2026-11-22"
RULES = rules(
    rule("pending", on="RunCompleted"),
    rule("done"),
    rule("skipped", "skip"),
    rule("broken", "give-up"),
    rule("failing", "succeed", retry="{ for: 30d }"),  # had failed twice, once for a missing role
    rule("polling", "succeed"),  # had checked back twice, and waits for a day
    rule("running"),  # its worker has crashed
    rule("follower", after="{ rules: polling }"),
    rule("latest", latest_only="true"),
    rule("limited", at_most="{ count: 1, every: 7d }"),  # another action counts for the limit
)
LATE = """
rules:
  - { name: late, on: RunStatusChanged, do: log }
  - { name: late-follower, after: { rules: done }, do: log }
"""
ENDS = {
    "done": "succeeded",
    "skipped": "skipped",
    "broken": "failed",
    "failing": "succeeded",
    "polling": "succeeded",
    "running": "succeeded",
    "follower": "succeeded",
    "latest": "succeeded",
    "limited": "succeeded",
    "late": "succeeded",
    "late-follower": "succeeded",
}


def value_of(value: Any) -> Value:
    return base64.b64decode(value["bytes"]) if isinstance(value, dict) else value


def rows_of(golden: Path) -> dict[str, Any]:
    """The content of a golden file, whose rows name scripted handlers by their former paths."""
    text = golden.read_text(encoding="utf-8")
    for then, now in MOVED.items():
        text = text.replace(then, now)
    return dict(json.loads(text))


def upgraded(golden: Path, folder: Path, rules: str = RULES, workspaces: str = WORKSPACES) -> World:
    """A world of this release with the storage of an earlier one."""
    left = rows_of(golden)
    world = World(rules, folder, workspaces=workspaces, name=f"{golden.stem} {folder}")
    for row in left["rows"]:
        world.table.commit(row["partition"], Row(row["key"], {n: value_of(v) for n, v in row["values"].items()}))
    world.queue.messages = [(datetime.fromisoformat(at), text) for at, text in left["messages"]]
    world.clock.time = datetime.fromisoformat(left["now"])
    return world


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
class TestUpgrade:
    def test_upgrade_continues_open_actions(self, golden: Path, tmp_path: Path) -> None:
        """Of two events, one is half done, and the other one, which is large, has just been received."""
        world = upgraded(golden, tmp_path)
        world.write(LATE, "late.yaml")
        sweep(world.app)
        for _ in range(3):
            world.run()
            world.clock.forward(days=1)
            sweep(world.app)
        ends: dict[str, dict[str, str]] = {}
        for id, record in world.history().actions:
            ends.setdefault(id.event, {})[id.rule] = record.status
        first, second, other = ends.values()
        assert first == ENDS
        assert second == ENDS | {"limited": "skipped"}
        assert other == {"pending": "succeeded"}
        assert world.app.inbox.backlog.open_actions(DAY) == []
        assert list(world.app.inbox.backlog.deferred_matches(DAY)) == []

    def test_upgrade_keeps_keys_states_and_failures(self, golden: Path, tmp_path: Path) -> None:
        """A job that was started with a key is found by it."""
        keys = rows_of(golden)["keys"]
        world = upgraded(golden, tmp_path)
        world.run()
        actions = {action.rule: action for event, action in world.calls if event.id == "e1"}
        for name in ("failing", "polling"):
            assert str(actions[name].key) == keys[name]
        assert actions["failing"].failures == 2
        assert actions["polling"].state == {"call": 2}

    def test_upgrade_recognizes_earlier_events(self, golden: Path, tmp_path: Path) -> None:
        """A redelivery is a duplicate, and an older event about an object is superseded."""
        world = upgraded(golden, tmp_path)
        first = RunStatusChanged.example(id="e1")
        assert first.event_time is not None
        world.receive(first)
        assert len(world.history().events) == 3
        older = first.model_copy(update={"id": "e0", "event_time": first.event_time - timedelta(hours=1)})
        world.receive(older)
        world.run()
        [notes] = [
            r.note for id, r in world.history().actions if id.rule == "latest" and r.note.startswith("superseded")
        ]
        assert "event e1" in notes

    def test_upgrade_writes_rows_that_the_earlier_release_can_read(self, golden: Path, tmp_path: Path) -> None:
        """Both run during a deployment: no column is missing or has another type."""
        earlier = rows_of(golden)["rows"]
        columns = {kind(row["key"]): row["values"] for row in earlier if row["partition"] == DAY}
        world = World(rules(rule("ring", "retry", "succeed", after="{ rules: first }"), rule("first")), tmp_path)
        world.write("rules: [{ name: late, on: RunStatusChanged, do: log, when: [nonsense] }]", "late.yaml")
        world.receive(RunStatusChanged.example(id="e1"))
        world.run()
        for row in world.table.read(DAY, "", "~"):
            for name, value in columns.get(kind(row.key), {}).items():
                if not name.startswith("raw"):
                    assert type(row.values[name]) is type(value_of(value)), (row.key, name)


def kind(key: str) -> str:
    """The kind of a row: event, action, marker or rejection."""
    first, bar, _ = key.partition("|")
    return first if first.startswith(("!", "x")) else f"event{bar}"
