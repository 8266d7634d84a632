"""Long-running operations: how long they take."""

from emulator.state.fault_plan import Duration
from emulator.state.matching import Match
from emulator.state.state import State


class Operations:
    """Plans the duration of operations."""

    def __init__(self, state: State) -> None:
        self._state = state

    def set_duration(
        self, *, polls: int = 1, seconds: float | None = None, status_only: bool = False, match: str = ""
    ) -> None:
        """How long operations take: `polls` reads of the operation or its resource find it in progress, or `seconds`.

        With `status_only`, reads of the resource do not count. `match` selects the call that starts the operation, such
        as ``DELETE *``.
        """
        with self._state.lock:
            self._state.plan.durations.append((Match(match), Duration(polls, seconds, status_only)))
