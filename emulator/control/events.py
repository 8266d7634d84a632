"""The events that the emulator has raised, and their delivery."""

import copy
from collections.abc import Callable
from contextlib import ExitStack

from emulator.event_grid import EventGrid
from emulator.state.state import Body, State


class Events:
    """Lists events, calls back with each, and delivers them."""

    def __init__(self, state: State, stack: ExitStack) -> None:
        self._state, self._stack = state, stack

    @property
    def all(self) -> list[Body]:
        """Every event so far, in the Event Grid schema."""
        with self._state.lock:
            return copy.deepcopy(self._state.events)

    def subscribe(self, callback: Callable[[Body], None]) -> None:
        """Call back with each event, on the thread of the request that has raised it and before its answer is sent."""
        self._state.listeners.append(callback)

    def deliver_to(self, url: str, *, twice_every: int = 0) -> EventGrid:
        """Deliver events to a URL from now on, until the emulator stops; every `twice_every`th event is sent twice.

        Raises NotValidated if the URL does not answer Event Grid's handshake.
        """
        grid = self._stack.enter_context(EventGrid(url, twice_every=twice_every))
        self.subscribe(grid.publish)
        return grid
