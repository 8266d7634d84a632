"""The scheduler runs tasks in the order of virtual time, and can cancel, kill and freeze them."""

import pytest

from mlevents.testing.runs import WorkerDied
from tests.simulation.scheduler import Scheduler


def test_sleeping_tasks_resume_in_the_order_of_their_times() -> None:
    scheduler, log = Scheduler(), list[tuple[float, str]]()

    def work(name: str, pause: float) -> None:
        for _ in range(3):
            scheduler.sleep(pause)
            log.append((scheduler.seconds, name))

    for name, pause in (("slow", 10), ("quick", 4)):
        scheduler.start(lambda name=name, pause=pause: work(name, pause), lambda error: None)  # type: ignore[misc]  # a lambda's defaults
    scheduler.run(60)
    assert log == [(4, "quick"), (8, "quick"), (10, "slow"), (12, "quick"), (20, "slow"), (30, "slow")]
    assert scheduler.seconds == 60
    scheduler.close()


def test_run_stops_at_its_end_in_the_middle_of_a_task() -> None:
    scheduler, ended = Scheduler(), list[object]()
    scheduler.start(lambda: scheduler.sleep(100), ended.append)
    scheduler.run(50)
    assert (scheduler.seconds, ended) == (50, [])
    scheduler.run(50)
    assert ended == [None]
    scheduler.close()


def test_a_killed_task_ends_at_once_and_cleans_up() -> None:
    scheduler, log = Scheduler(), list[object]()

    def work() -> None:
        try:
            scheduler.sleep(100)
        finally:
            log.append(scheduler.seconds)

    task = scheduler.start(work, log.append)
    scheduler.after(30, task.kill)
    scheduler.run(50)
    assert log[0] == 30
    assert isinstance(log[1], WorkerDied)
    scheduler.close()


def test_a_frozen_task_resumes_when_it_is_no_longer_frozen() -> None:
    scheduler, log = Scheduler(), list[float]()

    def work() -> None:
        scheduler.sleep(10)
        log.append(scheduler.seconds)

    task = scheduler.start(work, lambda error: None)
    scheduler.after(5, lambda: setattr(task, "frozen_until", 70.0))
    scheduler.run(100)
    assert log == [70]
    scheduler.close()


def test_a_cancelled_call_is_not_made() -> None:
    scheduler, log = Scheduler(), list[str]()
    scheduler.cancel(scheduler.after(1, lambda: log.append("cancelled")))
    scheduler.after(2, lambda: log.append("scheduled"))
    scheduler.run(5)
    assert log == ["scheduled"]


def test_run_raises_a_defect_of_the_simulation_from_any_thread() -> None:
    scheduler = Scheduler()

    def ended(error: BaseException | None) -> None:
        raise ZeroDivisionError

    scheduler.start(lambda: scheduler.sleep(1), ended)
    with pytest.raises(ZeroDivisionError):
        scheduler.run(5)


def test_close_kills_the_remaining_tasks() -> None:
    scheduler, ended = Scheduler(), list[object]()
    for _ in range(3):
        scheduler.start(lambda: scheduler.sleep(1_000), ended.append)
    scheduler.run(1)
    scheduler.close()
    assert [type(error) for error in ended] == [WorkerDied, WorkerDied, WorkerDied]
