"""Count the work that code does, so that a test can compare cost with size on any machine, however busy."""

import gc
import sys
import tracemalloc
from collections.abc import Callable
from time import thread_time
from types import FrameType
from typing import Any


def calls_of(run: Callable[[], object]) -> int:
    """How many calls of functions, Python's and C's, `run` makes in this thread."""
    count = 0

    def on_event(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    previous = sys.getprofile()
    sys.setprofile(on_event)
    try:
        run()
    finally:
        sys.setprofile(previous)
    return count


def peak_memory_of(run: Callable[[], object]) -> int:
    """How many bytes Python has allocated at most at one time while `run` ran."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def cpu_of(prepare: Callable[[], Callable[[], object]], repeat: int) -> float:
    """The least CPU time of this thread, in seconds, that what `prepare` returns needs in `repeat` attempts.

    Without the garbage collector, whose passes depend on what else the process holds.
    """
    best = float("inf")
    for _ in range(repeat):
        run = prepare()
        gc.disable()
        try:
            start = thread_time()
            run()
            best = min(best, thread_time() - start)
        finally:
            gc.enable()
    return best
