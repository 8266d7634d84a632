"""The calls that the emulator has answered, and callbacks for them."""

from collections.abc import Callable

from emulator.http.call import Call
from emulator.http.request import Request
from emulator.service import Service
from emulator.state.matching import Match


class Calls:
    """Lists calls, and calls back before and after each."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def all(self) -> list[Call]:
        """Every call so far, in the order of the answers."""
        with self._service.state.lock:
            return list(self._service.calls)

    def matching(self, match: str = "") -> list[Call]:
        """The calls that match; for `match`, see the docstring of `emulator`."""
        matches = Match(match)
        return [call for call in self.all if matches(call.method, call.path)]

    def before(self, callback: Callable[[Request], None]) -> None:
        """Call back with each request before the emulator handles it."""
        self._service.before.append(callback)

    def after(self, callback: Callable[[Call], None]) -> None:
        """Call back with each call after it was handled and before its answer is sent."""
        self._service.after.append(callback)
