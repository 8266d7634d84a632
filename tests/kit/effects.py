"""A handler whose effect is a line in a file that several processes may share."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from handlers.base import Action, CheckBack, Handler, Outcome, Succeeded
from schemas import Event


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of one call of the handler, with the id of its process, and those of all events of its window."""

    key: str
    rule: str
    event: str
    pid: int
    events: tuple[str, ...] = ()


class Append(Handler[Event]):
    """Appends a line, and then takes 20 ms, in which a test can kill the worker before the outcome is recorded."""

    file: Path
    first_wait: int = 0  # seconds

    def run(self, event: Event, action: Action) -> Outcome:
        if self.first_wait and not action.state:
            return CheckBack(timedelta(seconds=self.first_wait), {"waited": True})
        events = tuple(each["id"] for each in event.view().get("events", ()))
        effect = Effect(str(action.key), action.rule, event.id, os.getpid(), events)
        line = json.dumps(asdict(effect)) + "\n"
        file = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line.encode())  # one write: lines of two processes do not mix
        os.close(file)
        time.sleep(0.02)
        return Succeeded("appended")


def effects_in(file: Path) -> Iterator[Effect]:
    """The effects, in order."""
    for line in file.read_text().splitlines():
        fields = json.loads(line)
        yield Effect(**{**fields, "events": tuple(fields["events"])})
