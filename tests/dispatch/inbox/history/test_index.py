"""The index of the record: what is found by which name, and what is counted."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.inbox.history import index as index_module
from dispatch.inbox.history.entry import COPIED, COUNTS, FIRST, LAST, MAX_NAMES, Entry
from dispatch.inbox.history.index import MONTHS, TOTALS, Index
from dispatch.inbox.history.lookup import recent_days
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.keys import event_key
from dispatch.inbox.rows import Rejected
from dispatch.inbox.tables import Row
from dispatch.replay.replay import ReplayOptions, find, replay
from dispatch.sweep import sweep
from mlevents.testing.runs import WorkerDied
from mlevents.testing.storage import NOW, AzureLimits
from schemas import Event, ModelDeployed, ModelRegistered, RunStatusChanged
from tests.dispatch.inbox.recorded import add
from tests.kit.faults import CrashAt
from tests.kit.world import World, rule, rules

DAY, MONTH = "2026-11-22", "2026-11"


def indexed(folder: Path, *events: Event, script: str = "succeed") -> World:
    """A world that has carried out the actions of these events, and indexed them."""
    world = World(rules(rule("ring", script)), folder)
    world.receive(*events)
    world.run()
    sweep(world.app)
    return world


def keys(world: World, name: str, month: str = MONTH) -> list[str]:
    return [entry.key for entry in world.app.inbox.index.find(name, month)]


@pytest.mark.parametrize(
    ("event", "names"),
    [
        (
            RunStatusChanged.example(id="e7", runId="run-7", runTags={"azureml.pipelinerunid": "parent-1"}),
            ["e7", "run-7", "RUN-7", " run-7 ", "parent-1"],
        ),
        (ModelRegistered.example(id="e7", modelName="churn", modelVersion="7"), ["e7", "churn", "churn:7"]),
        (ModelDeployed.example(id="e7", serviceName="live", modelIds="churn:7"), ["e7", "live", "churn:7"]),
    ],
)
def test_event_is_found_by_its_names(tmp_path: Path, event: Event, names: list[str]) -> None:
    world = indexed(tmp_path, event)
    day, key = event_key(event)
    for name in names:
        [entry] = world.app.inbox.index.find(name, MONTH)
        assert (entry.day, entry.key, entry.id, entry.object) == (day, key, "e7", event.object)
        assert (entry.type, entry.workspace) == (type(event).__name__, "churn-prod")
    assert keys(world, "other") == []


def test_end_is_found_by_what_its_handler_made(inbox: Inbox, table: AzureLimits) -> None:
    entry = Entry(DAY, "k", NOW, ("mle-1-run", "", "mle-1-run"), rule="train", status="succeeded")
    table.commit(DAY, entry.marker(2))
    assert inbox.index.add_new(DAY) == 1
    [found] = inbox.index.find("mle-1-run", MONTH)
    assert (found.day, found.key, found.rule, found.status) == (DAY, "k", "train", "succeeded")


def test_details_of_an_outcome_name_what_was_made(tmp_path: Path) -> None:
    """The scripted handler's details name nothing; those of pipelines and deployments do."""
    world = World(rules(rule("ring")), tmp_path)
    world.receive(RunStatusChanged.example())
    world.run()
    [end] = [row for row in world.table.read(DAY, FIRST, LAST) if "|ring|" in row.key]
    assert Entry.of(end).names == ()


def test_what_is_not_indexed_yet_is_found_among_the_markers(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    world.receive(RunStatusChanged.example(runId="run-7"), RunStatusChanged.example(id="e8", runId="run-8"))
    index = world.app.inbox.index
    assert [entry.object for entry in index.find_new("RUN-7", DAY)] == ["run-7"]
    assert index.find("run-7", MONTH) == []
    sweep(world.app)
    assert index.find_new("run-7", DAY) == []
    assert [entry.object for entry in index.find("run-7", MONTH)] == ["run-7"]


def test_newest_come_first(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    for n in range(3):
        world.clock.forward(hours=9)  # the last one is of the next day
        world.receive(RunStatusChanged.example(id=f"e{n}", runId="run"))
    sweep(world.app)
    assert [entry.id for entry in world.app.inbox.index.find("run", MONTH)] == ["e2", "e1", "e0"]
    assert [entry.id for entry in world.app.inbox.index.find("run", MONTH, 1)] == ["e2"]


def test_days_have_the_numbers_of_events_rejections_and_ends(tmp_path: Path) -> None:
    world = indexed(tmp_path, *(RunStatusChanged.example(id=f"e{n}") for n in range(3)))
    world.app.inbox.reject(Rejected("malformed", "no JSON", "{", world.clock.time), id="", type="")
    world.receive(RunStatusChanged.example(id="e0"), ModelRegistered.example(id="m"))
    sweep(world.app)
    assert world.app.inbox.index.counts("", "~") == {
        DAY: Counter(
            {
                "type|RunStatusChanged": 3,
                "type|ModelRegistered": 1,
                "workspace|churn-prod": 4,
                "rule|ring|succeeded": 3,
                "rejected|malformed": 1,
            }
        )
    }
    assert world.app.inbox.index.counts("", DAY) == {}


def test_action_that_ends_again_counts_again(tmp_path: Path) -> None:
    """A replay with the same key has the same replay number."""
    world = World(rules(rule("ring", "skip")), tmp_path)
    world.receive(RunStatusChanged.example(id="e1"))
    world.run()
    for same_key in (True, False):
        [event] = find("e1", world.app)
        replay(event, world.app, ReplayOptions(same_key=same_key))
        world.run()
    sweep(world.app)
    assert world.app.inbox.index.counts("", "~")[DAY]["rule|ring|skipped"] == 3


@pytest.mark.parametrize("when", ["before", "after"])
def test_each_marker_counts_once_whatever_crashes(tmp_path: Path, when: str) -> None:
    """A sweep crashes at each of its calls; the next one finishes its work."""
    point = 0
    while True:
        point += 1
        world = World(rules(rule("ring")), tmp_path)
        world.receive(*(RunStatusChanged.example(id=f"e{n}", runId=f"run-{n}") for n in range(3)))
        world.run()
        crash = CrashAt((point, when))
        index = Index(crash.table(world.table))
        try:
            index.add_new(DAY)
            done = True
        except WorkerDied:
            done = False
        Index(world.table).add_new(DAY)
        assert world.app.inbox.index.counts("", "~")[DAY]["rule|ring|succeeded"] == 3
        assert [len(keys(world, f"run-{n}")) for n in range(3)] == [1, 1, 1]
        assert world.table.read(DAY, FIRST, LAST) == []
        if done:
            break
    assert point > 5


def test_numbers_that_a_sweep_did_not_copy_are_copied_by_the_next_one(tmp_path: Path) -> None:
    """Though no marker is new."""
    world = indexed(tmp_path, RunStatusChanged.example())
    index = world.app.inbox.index
    [counts] = world.table.read(DAY, COUNTS, COUNTS + "!")
    world.table.commit(DAY, replace(counts, values={**counts.values, COPIED: 0}))
    world.table.commit(TOTALS, delete=(DAY,))
    assert index.counts("", "~") == {}
    for _ in range(2):
        sweep(world.app)
        assert index.counts("", "~")[DAY]["rule|ring|succeeded"] == 1
    assert not world.app.inbox.backlog.markers(DAY).has_new


def test_stale_numbers_are_not_copied(tmp_path: Path) -> None:
    """A sweep that reads old markers and old numbers would copy the wrong ones."""
    world = World(rules(rule("ring")), tmp_path)
    world.receive(RunStatusChanged.example(id="e1"))
    index = world.app.inbox.index
    index.add_new(DAY)
    world.receive(RunStatusChanged.example(id="e2"))
    old = {row.key: row for row in world.table.read(DAY, "!", '"')}
    index.add_new(DAY)

    class Stale(AzureLimits):
        """Reads the day as it was before the last sweep."""

        def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
            if partition == DAY:
                return [row for key, row in old.items() if first <= key < last]
            return super().read(partition, first, last, limit)

    assert Index(Stale(world.table.table)).add_new(DAY) == 0
    assert index.counts("", "~")[DAY]["type|RunStatusChanged"] == 2


def test_two_sweeps_at_once_count_each_marker_once(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    world.receive(*(RunStatusChanged.example(id=f"e{n}") for n in range(60)))
    other = Index(world.table)

    class Racing(AzureLimits):
        """Another sweep indexes the day just before the first numbers are written."""

        raced = False

        def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
            if not self.raced and any(row.key == COUNTS for row in rows):
                self.raced = True
                other.add_new(DAY)
            return super().commit(partition, *rows, delete=delete)

    assert Index(Racing(world.table.table)).add_new(DAY) == 0
    assert other.counts("", "~")[DAY]["type|RunStatusChanged"] == 60


def test_marker_of_a_newer_version_is_left_to_it(inbox: Inbox, table: AzureLimits) -> None:
    add(inbox, "ring")
    table.commit(DAY, Row(f"{FIRST}0", {"schema": 2}))
    assert inbox.index.add_new(DAY) == 1
    assert [row.key for row in table.read(DAY, FIRST, LAST)] == [f"{FIRST}0"]


def test_names_are_bounded(inbox: Inbox, table: AzureLimits) -> None:
    """In number and in length; any characters are names."""
    names = ("", "/\\#?\x00\u202e", "x" * 40_000, *(f"n{n}" for n in range(100)))
    table.commit(DAY, Entry(DAY, "k", NOW, names, id="i" * 40_000).marker())
    inbox.index.add_new(DAY)
    assert len(table.read(f"{MONTHS}|{MONTH}", "", "~")) == MAX_NAMES
    for name in ("/\\#?\x00\u202e", "x" * 40_000, "x" * 1_000, "n5"):
        assert [entry.key for entry in inbox.index.find(name, MONTH)] == ["k"]
    assert inbox.index.find("n6", MONTH) == []


LONG_NAMES = tuple(f"{n}{character}" * 1_000 for n, character in enumerate('😀é"\\\u202e\x00\ud800\n'))


def test_long_names_with_any_characters_fit_a_row_and_a_transaction(inbox: Inbox, table: AzureLimits) -> None:
    """A full batch of markers has names that together are too large for one transaction."""
    for n in range(50):
        names = tuple(f"{n}{name}" for name in LONG_NAMES)
        table.commit(DAY, Entry(DAY, f"k{n}", NOW, names, LONG_NAMES[0], "t", "w" * 2_000, LONG_NAMES[6]).marker())
    assert inbox.index.add_new(DAY) == 50
    assert table.read(DAY, FIRST, LAST) == []
    for name in LONG_NAMES:
        assert [entry.key for entry in inbox.index.find(f"7{name}", MONTH)] == ["k7"]


def test_event_with_long_names_is_recorded(tmp_path: Path) -> None:
    """Each character of an emoji takes twelve in JSON that is ASCII."""
    parents = ("azureml.pipelinerunid", "azureml.rootrunid", "azureml.parentrunid", "root_run_id", "mlflow.parentRunId")
    tags = {name: "😀" * 900 + name for name in parents}
    event = RunStatusChanged.example(id="😀" * 1_000, runId="é" * 1_000, runTags=tags, runProperties=tags)
    world = indexed(tmp_path, event)
    assert (len(world.history().events), world.history().rejected) == (1, [])
    assert len(keys(world, "é" * 1_000)) == 1


def test_numbers_of_a_day_are_bounded(inbox: Inbox, table: AzureLimits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a valid workspaces.yaml, events may name any workspace."""
    monkeypatch.setattr(index_module, "MAX_NUMBERS", 3)
    for n in range(6):
        table.commit(DAY, Entry(DAY, f"k{n}", NOW, type="t", workspace=f"w{n}").marker())
        table.commit(DAY, Entry(DAY, f"k{n}", NOW, rule=f"r{n}", status="failed").marker(1))
        assert inbox.index.add_new(DAY) == 2
    numbers = inbox.index.counts("", "~")[DAY]
    assert numbers["type|t"] == sum(n for name, n in numbers.items() if name.startswith("workspace|")) == 6
    assert sum(n for name, n in numbers.items() if name.startswith("rule|") and name.endswith("|failed")) == 6
    assert (numbers["workspace|others"], numbers["rule|others|failed"]) == (5, 5)


def test_index_of_a_month_is_purged_when_the_month_is_older_than_the_retention(tmp_path: Path) -> None:
    world = indexed(tmp_path, RunStatusChanged.example(runId="old"))
    world.clock.forward(days=60)
    world.receive(RunStatusChanged.example(id="e2", runId="new", eventTime="2027-01-21T09:00:00Z"))
    sweep(world.app)
    assert world.app.inbox.index.months() == ["2027-01", MONTH]
    world.clock.forward(days=45)
    sweep(world.app)
    index = world.app.inbox.index
    assert (index.months(), keys(world, "old"), index.counts("", "2027")) == (["2027-01"], [], {})
    assert len(keys(world, "new", "2027-01")) == 1


def test_index_survives_a_conflict_of_names(inbox: Inbox, table: AzureLimits) -> None:
    """Some of the rows exist: a sweep that crashed has written them."""
    entry = Entry(DAY, "k", NOW, ("a", "b"), id="e")
    table.commit(f"{MONTHS}|{MONTH}", next(iter(entry.rows())))
    table.commit(DAY, entry.marker())
    assert inbox.index.add_new(DAY) == 1
    assert [len(inbox.index.find(name, MONTH)) for name in "ab"] == [1, 1]


class TestLookup:
    """Events by a name, whether a sweep has indexed them or not."""

    def test_new_events_come_before_indexed_ones(self, tmp_path: Path) -> None:
        world = indexed(tmp_path, RunStatusChanged.example(id="e1", runId="run-7"))
        world.clock.forward(minutes=1)
        world.receive(RunStatusChanged.example(id="e2", runId="run-7", eventTime="2026-11-22T08:59:00Z"))
        found = world.app.inbox.lookup.events("run-7", recent_days(world.clock.time))
        assert [event.record.id for event in found] == ["e2", "e1"]

    def test_event_of_yesterday_that_is_not_indexed_is_found(self, tmp_path: Path) -> None:
        world = World(rules(rule("ring")), tmp_path)
        world.receive(RunStatusChanged.example(id="e1", runId="run-7"))
        world.clock.forward(days=1)
        assert [event.record.id for event in world.app.inbox.lookup.events("run-7", recent_days(world.clock.time))] == [
            "e1"
        ]

    def test_event_is_found_once_by_its_actions(self, tmp_path: Path) -> None:
        """An end under the same name leads to the same event; a rejection is no event."""
        world = indexed(tmp_path, RunStatusChanged.example(id="e1", runId="run-7"))
        day, key = event_key(RunStatusChanged.example(id="e1", runId="run-7"))
        end = Entry(day, key, NOW, ("run-7",), rule="ring", status="succeeded")
        rejected = Entry(day, "x|1", NOW, ("run-7",), kind="malformed")
        world.table.commit(day, end.marker(1), rejected.marker())
        lookup = world.app.inbox.lookup
        assert [event.record.id for event in lookup.events("run-7", [DAY])] == ["e1"]
        assert [(entry.rule, entry.kind) for entry in lookup.entries("run-7", [DAY])] == [
            ("ring", ""),
            ("", "malformed"),
            ("", ""),
        ]

    def test_event_that_was_purged_is_left_out(self, tmp_path: Path) -> None:
        """Its month is still indexed."""
        world = indexed(tmp_path, RunStatusChanged.example(id="e1", runId="run-7"))
        for row in world.table.read(DAY, "0", "x"):
            world.table.commit(DAY, delete=(row.key,))
        assert list(world.app.inbox.lookup.events("run-7", recent_days(world.clock.time))) == []
