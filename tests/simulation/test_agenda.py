"""Virtual time: in order, as if all ran at once."""

import pytest

from tests.kit.faults import WorkerDied
from tests.simulation.agenda import Agenda


def test_tasks_go_on_when_it_is_their_time() -> None:
    """Though each is code that just waits."""
    agenda, seen = Agenda(), list[tuple[float, str]]()

    def work(name: str, pause: float) -> None:
        for _ in range(3):
            agenda.sleep(pause)
            seen.append((agenda.seconds, name))

    for name, pause in (("slow", 10), ("quick", 4)):
        agenda.begin(lambda name=name, pause=pause: work(name, pause), lambda error: None)  # type: ignore[misc]  # a lambda's defaults
    agenda.run(60)
    assert seen == [(4, "quick"), (8, "quick"), (10, "slow"), (12, "quick"), (20, "slow"), (30, "slow")]
    assert agenda.seconds == 60
    agenda.close()


def test_time_stops_where_it_is_told() -> None:
    """In the midst of a task."""
    agenda, ended = Agenda(), list[object]()
    agenda.begin(lambda: agenda.sleep(100), ended.append)
    agenda.run(50)
    assert (agenda.seconds, ended) == (50, [])
    agenda.run(50)
    assert ended == [None]
    agenda.close()


def test_a_task_that_is_killed_dies_where_it_is() -> None:
    """At once, and its cleaning up is done."""
    agenda, seen = Agenda(), list[object]()

    def work() -> None:
        try:
            agenda.sleep(100)
        finally:
            seen.append(agenda.seconds)

    task = agenda.begin(work, seen.append)
    agenda.after(30, task.kill)
    agenda.run(50)
    assert seen[0] == 30
    assert isinstance(seen[1], WorkerDied)
    agenda.close()


def test_a_frozen_task_goes_on_later() -> None:
    """And does not know."""
    agenda, seen = Agenda(), list[float]()

    def work() -> None:
        agenda.sleep(10)
        seen.append(agenda.seconds)

    task = agenda.begin(work, lambda error: None)
    agenda.after(5, lambda: setattr(task, "frozen_until", 70.0))
    agenda.run(100)
    assert seen == [70]
    agenda.close()


def test_what_is_cancelled_does_not_happen() -> None:
    agenda, seen = Agenda(), list[str]()
    agenda.cancel(agenda.after(1, lambda: seen.append("no")))
    agenda.after(2, lambda: seen.append("yes"))
    agenda.run(5)
    assert seen == ["yes"]


def test_a_defect_of_the_simulation_is_raised() -> None:
    """Whichever thread it is in."""
    agenda = Agenda()

    def ended(error: BaseException | None) -> None:
        raise ZeroDivisionError

    agenda.begin(lambda: agenda.sleep(1), ended)
    with pytest.raises(ZeroDivisionError):
        agenda.run(5)


def test_what_is_left_is_killed_in_the_end() -> None:
    """And no thread stays."""
    agenda, ended = Agenda(), list[object]()
    for _ in range(3):
        agenda.begin(lambda: agenda.sleep(1_000), ended.append)
    agenda.run(1)
    agenda.close()
    assert [type(error) for error in ended] == [WorkerDied, WorkerDied, WorkerDied]
