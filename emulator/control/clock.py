"""The emulator's time."""

from datetime import timedelta

from emulator.state.state import State


class ClockControl:
    """Moves the emulator's clock."""

    def __init__(self, state: State) -> None:
        self._state = state

    def forward(self, **span: float) -> None:
        """Move the clock by a `timedelta`, given by its keywords, and complete everything that is due."""
        with self._state.transaction():
            self._state.clock.forward(timedelta(**span))
            self._state.complete_due()
