"""The tool `mlevents` as a process, and its descendants."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "mlevents")


class Started:
    """A running `mlevents` command, and the lines that it has printed."""

    def __init__(self, *arguments: str, command: Sequence[str] = COMMAND, **environment: str) -> None:
        self.process = subprocess.Popen(
            [*command, *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        """Wait until a printed line matches the pattern."""
        found = until(lambda: next((m for line in self.lines if (m := re.search(pattern, line))), None), seconds, self)
        assert isinstance(found, re.Match)
        return found

    def end(self, number: signal.Signals | None = None, seconds: float = 60) -> int:
        """Send a signal, if one is given, and wait for the exit code."""
        if number is not None and self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(seconds)
        self._reading.join()
        assert self.process.stdout
        self.process.stdout.close()
        return code


def until(condition: Callable[[], Any], seconds: float = 60, started: Started | None = None) -> Any:
    """Wait until the condition is true, and return its value. The time only ends a test that would hang."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "\n".join(started.lines if started else ["the condition did not become true"])
        time.sleep(0.02)
    return found


def descendants(pid: int) -> set[int]:
    """The ids of all child processes of a process, and of theirs."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, listed.splitlines())}
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in found | {pid}} - found:
        found |= more
    return found


def running(pids: set[int]) -> set[int]:
    """Those of these processes that run. Zombies, for which their parents have not waited, do not."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True).stdout
    states = dict(line.split() for line in listed.splitlines())
    return {pid for pid in pids if not states.get(str(pid), "Z").startswith("Z")}
