"""`dry_run`, with the real inbox and rules over storage in memory."""

from pathlib import Path

from schemas import RunStatusChanged
from tests.kit.world import World, rule, rules


def test_a_dry_run_records_the_plan_and_does_not_call_the_handler(tmp_path: Path) -> None:
    world = World(rules(rule("ring", dry_run="true")), tmp_path)
    world.receive(RunStatusChanged.example())
    world.run()
    assert world.calls == []
    assert world.actions["ring"].status == "skipped"
    assert world.actions["ring"].note.startswith("dry run: Scripted(")
