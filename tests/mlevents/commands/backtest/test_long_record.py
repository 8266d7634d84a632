"""A backtest of a week with 100,000 events on Azurite: it reads a thousand rows at a time, each row once.

``MLEVENTS_TEST_EVENTS`` sets another number of events.
"""

import json
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from dispatch.inbox.keys import DAYS
from dispatch.inbox.storage_account import Storage
from dispatch.inbox.tables import MAX_ROWS, Row
from dispatch.inbox.transport import PunctualTransport
from emulator.background import Background
from mlevents.__main__ import main
from mlevents.local.azurite import Azurite
from mlevents.testing.storage import NOW
from schemas import RunStatusChanged
from tests.kit.started import ROOT
from tests.kit.table_loader import TableLoader
from tests.kit.world import World, rule, rules

EVENTS = int(os.environ.get("MLEVENTS_TEST_EVENTS", "100000"))
WEEK = 7
FAILED = 10  # one in so many events is that of a failed run, which is mailed


def template(folder: Path) -> tuple[Row, Row]:
    """The rows that the app writes for an event and its action."""
    world = World(rules(rule("mail-failed-runs")), folder)
    world.receive(RunStatusChanged.example(id="template", eventTime="2026-11-20T10:00:00Z"))
    world.run()
    event, action = world.table.read("2026-11-20", "0", "x")
    return event, action


def fill(azurite: Azurite, folder: Path, daily: int) -> None:
    """Write a week of events. Row keys ascend over all days (see `TableLoader`)."""
    event, action = template(folder)
    window = 86_400_000 // WEEK
    with Storage(connection_string=azurite.connection_string).table("mlevents") as client:
        client.create_table()
    with TableLoader(azurite, "mlevents") as loader:
        for n in range(WEEK):
            day = f"{NOW - timedelta(days=WEEK - n):%Y-%m-%d}"
            loader.add(DAYS, [Row(day, {"touched": NOW.isoformat()})])
            loader.add(day, (row for m in range(daily) for row in _rows(event, action, n * daily + m, n * window + m)))


def _rows(event: Row, action: Row, number: int, left: int) -> Iterator[Row]:
    raw: dict[str, Any] = json.loads(str(event.values["raw"]))
    raw |= {"id": f"id-{number}", "data": {**raw["data"], "runStatus": "Running" if number % FAILED else "Failed"}}
    key = f"{left:08d}-{UUID(int=number).hex}"
    yield Row(key, {**event.values, "id": f"id-{number}", "raw": json.dumps(raw)})
    for name in ("log-everything", *(() if number % FAILED else ("mail-failed-runs",))):
        yield Row(f"{key}|{name}", {**action.values, "rule": name})


@pytest.mark.services
@pytest.mark.parametrize("events", [2_100, pytest.param(EVENTS, marks=[pytest.mark.soak, pytest.mark.timeout(3_600)])])
def test_a_long_record_is_read_once(
    events: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    daily = events // WEEK
    sent: list[str] = []
    send = PunctualTransport.send

    def counted(self: PunctualTransport, request: Any, **kwargs: Any) -> Any:
        sent.append(request.method)
        return send(self, request, **kwargs)  # type: ignore[no-untyped-call]

    with Background() as background:
        azurite = background.run(Azurite.start())
        fill(azurite, tmp_path, daily)
        monkeypatch.setattr(PunctualTransport, "send", counted)
        monkeypatch.setenv("AzureWebJobsStorage", azurite.connection_string)
        span = f"{NOW - timedelta(days=WEEK):%Y-%m-%d}", f"{NOW:%Y-%m-%d}"
        begin, cpu = time.perf_counter(), time.process_time()
        options = ["--since", span[0], "--until", span[1], "--rules", str(ROOT / "rules"), "--format", "json"]
        code = main(["backtest", *options])
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
        background.run(azurite.stop())
    out, err = capsys.readouterr()
    with capsys.disabled():
        print(f"{daily * WEEK:,} events: {seconds:.1f} s, {cpu:.1f} s of CPU, {len(sent)} requests")
    found = {rule["rule"]: rule for rule in json.loads(out)["rules"]}
    assert code == 0
    failed = len(range(0, daily * WEEK, FAILED))
    assert found["log-everything"]["fires"] == daily * WEEK
    assert (found["mail-failed-runs"]["fires"], found["mail-failed-runs"]["done"]) == (failed, {"succeeded": failed})
    assert not any(each["newly"]["count"] or each["noLonger"]["count"] for each in found.values())
    rows = daily * WEEK * 2 + failed
    assert set(sent) == {"GET"}
    assert len(sent) <= rows / (MAX_ROWS - 3) + 2 * WEEK + 2
    assert all(line.endswith(" events") for line in err.splitlines())
