"""`Progress`: a line on stderr each second."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

_PAUSE = 1.0  # seconds


@dataclass
class Progress:
    """Prints how many events were read: on a terminal in one line, which `end` removes."""

    stream: TextIO
    total: int  # of events, as far as the index has counted them; 0 if it is not known
    clock: Callable[[], float] = time.monotonic
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        self._last = self.clock()

    def show(self, count: int) -> None:
        """Print the number of events read so far, if a second has passed since the last line."""
        if self.clock() - self._last < _PAUSE:
            return
        self._last = self.clock()
        text = f"{count:,}{f' of about {self.total:,}' if self.total > count else ''} events"
        self.stream.write(f"\r\x1b[K{text}" if self.stream.isatty() else f"{text}\n")
        self.stream.flush()

    def end(self) -> None:
        """Remove the line."""
        if self.stream.isatty():
            self.stream.write("\r\x1b[K")
            self.stream.flush()
