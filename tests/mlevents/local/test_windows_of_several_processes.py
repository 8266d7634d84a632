"""Windows of several hosts on one storage account, whose workers are killed: each event is acted on in one window."""

import time
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.sweep import sweep
from mlevents.local.azurite import Azurite
from tests.kit.effects import effects_in
from tests.kit.processes import run_hosts, settings_of
from tests.kit.started import ROOT
from tests.mlevents.local.test_several_processes import SEED, Scenario, some_events, with_duplicates

pytestmark = [pytest.mark.no_cover, pytest.mark.soak]

EVENTS, HOSTS = 10_000, 3
RULES = """
rules:
  - name: collected
    on: RunStatusChanged
    collect: { for: 40s, by: data.runStatus }
    do: tests.kit.effects:Append
    with: { file: FILE }
"""


def test_each_of_ten_thousand_events_is_in_one_window_although_workers_are_killed(
    azurite: Azurite, tmp_path: Path
) -> None:
    """A worker is killed every fifteen seconds, while it receives, joins, closes or acts."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "workspaces.yaml").write_text((ROOT / "samples" / "rules" / "workspaces.yaml").read_text())
    (rules / "team.yaml").write_text(RULES.replace("FILE", str(tmp_path / "effects.jsonl")))
    scenario = Scenario(tmp_path, settings_of(azurite.connection_string, rules), some_events(EVENTS))
    started = time.monotonic()
    with run_hosts(HOSTS, scenario.settings, tmp_path, SEED) as hosts:
        with hosts.kills(every=15.0, at_least=20):
            hosts.deliver_all(with_duplicates(scenario.events, 0.1), at_once=12)
        delivered = time.monotonic() - started
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("dispatch.sweep.GRACE", timedelta(seconds=60))
            app, until = scenario.app(), time.monotonic() + 1_800
            while left := len(scenario.open()):
                assert time.monotonic() < until, f"{left} actions do not end"
                sweep(app)
                time.sleep(10)
    windows: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)
    effects = [*effects_in(scenario.file)]
    for effect in effects:
        windows[effect.key].add(effect.events)
    assert all(len(events) == 1 for events in windows.values()), "a window does not change once it is acted on"
    acted = Counter(id for [events] in windows.values() for id in events)
    assert acted == Counter(event.id for event in scenario.events), "each event is in exactly one window"
    statuses = Counter(record.status for record in scenario.records().values())
    assert statuses == {"succeeded": len(windows), "skipped": EVENTS - len(windows)}
    repeated = len(effects) - len(windows)
    assert repeated <= len(hosts.killed)
    sizes = sorted(len(events) for [events] in windows.values())
    print(
        f"\n{EVENTS} events, {hosts.deliveries} deliveries ({hosts.failed} failed) in {delivered:.0f} s, "
        f"{len(hosts.killed)} workers killed, {len(windows)} windows of {sizes[0]} to {sizes[-1]} events, "
        f"{repeated} repeated effects, {time.monotonic() - started:.0f} s"
    )
