"""A record of events in memory, and backtests of rules on it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from dispatch.inbox.tables import Row
from dispatch.rules import load
from dispatch.rules.rule import Rules
from dispatch.secrets import NO_SECRETS, Secrets
from mlevents.commands.backtest.comparison import Backtest
from mlevents.commands.backtest.reading import Span, pages
from mlevents.commands.backtest.report import Report, as_lines
from mlevents.commands.backtest.simulation import Simulation
from tests.kit.world import SETTINGS, WORKSPACES, World, rules

WEEK = Span(datetime(2026, 11, 16, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))


class ReadOnly:
    """A table that fails when something is written."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self.reads = 0

    def read(self, *args: Any, **kwargs: Any) -> list[Row]:
        self.reads += 1
        rows: list[Row] = self._table.read(*args, **kwargs)
        return rows

    def commit(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AssertionError(f"a backtest writes nothing: {args}")


def loaded(folder: Path, name: str, *texts: str) -> Rules:
    """Rules in a folder of this name."""
    path = folder / name
    path.mkdir()
    (path / "workspaces.yaml").write_text(WORKSPACES)
    (path / "team.yaml").write_text(rules(*texts) if texts else "rules: []\n")
    found = load(path, SETTINGS)
    assert found.errors == ()
    return found


def backtest(
    world: World, new: Rules, baseline: Rules | None = None, *, span: Span = WEEK, secrets: Secrets = NO_SECRETS
) -> Report:
    """Try rules on what a world has on record."""
    table = ReadOnly(world.table)
    before = Simulation(baseline, secrets, table, contents=False) if baseline else None
    found = Backtest(Simulation(new, secrets, table), before)
    for page in pages(ReadOnly(world.table), span):
        found.add(page)
    return Report(found, span, "the baseline" if baseline else "the record")


def lines(report: Report) -> dict[str, list[str]]:
    """The lines of the text about each rule."""
    found: dict[str, list[str]] = {}
    rule = ""
    for line, style in as_lines(report):
        if style == "bold":
            rule = line.partition("  ")[0]
            found[rule] = []
        elif line.startswith("    "):
            found[rule].append(line.strip())
    return found
