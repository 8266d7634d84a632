"""The output of a command as an SVG that plays it, in a terminal of 80 columns. It has its own dark background.

It moves by CSS, without scripts: so it also plays in an `<img>`. With reduced motion, it shows the last lines.
"""

import codecs
import os
import pty
import signal
import struct
import subprocess
from collections.abc import Iterator, Sequence
from fcntl import ioctl
from html import escape
from io import StringIO
from itertools import pairwise
from pathlib import Path
from termios import TIOCSWINSZ
from time import monotonic
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 80, 30
SHORTEST, LONGEST, END = 0.05, 0.7, 6.0  # seconds: between two lines, at least and at most; and after the last one
_NAME = "terminal"  # of ids and classes in the picture
_CHAR, _LINE, _TOP, _MARGIN = 12.2, 24.4, 44, 18  # units of the drawing; the first two are those of rich

_FORMAT = """\
<svg viewBox="0 0 {full_width} {full_height}" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{title}">
<style>
.{name}-matrix {{{{ font: {{char_height}}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }}}}
.title {{{{ font: 17px system-ui, sans-serif; fill: #a6adb7; text-anchor: middle; }}}}
{{styles}}
.rows {{{{ transform: translateY(-{scrolled}px); animation: rows {seconds}s step-end infinite; }}}}
.cover {{{{ transform: translateY({height}px); animation: cover {seconds}s step-end infinite; }}}}
@keyframes rows {{{{ {rows} }}}}
@keyframes cover {{{{ {cover} }}}}
@media (prefers-reduced-motion: reduce) {{{{ .rows, .cover {{{{ animation: none; }}}} }}}}
</style>
<defs>
<clipPath id="screen"><rect width="{width}" height="{height}"/></clipPath>
{{lines}}
</defs>
<rect width="100%" height="100%" rx="12" fill="#292929"/>
<g fill="#6b717a"><circle cx="24" cy="22" r="7"/><circle cx="46" cy="22" r="7"/><circle cx="68" cy="22" r="7"/></g>
<text class="title" x="50%" y="28">{title}</text>
<g transform="translate({margin}, {top})" clip-path="url(#screen)">
<g class="rows">{{backgrounds}}<g class="{name}-matrix">{{matrix}}</g></g>
<rect class="cover" width="{width}" height="{height}" fill="#292929"/>
</g>
</svg>
"""


class Line(NamedTuple):
    """A line that a command has printed, with its escape sequences."""

    at: float  # seconds
    text: str


class Recording:
    """A command that runs in a terminal. `lines` has what it has printed."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self.lines: list[Line] = []
        self._terminal, of_command = pty.openpty()
        ioctl(of_command, TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=of_command, stdout=of_command, stderr=of_command
        )
        os.close(of_command)
        self._printed = self._read()

    def until(self, text: str) -> str:
        """Read until a line contains the text; returns that line. Raises EOFError if the command ends before."""
        for line in self._printed:
            self.lines.append(line)
            if text in line.text:
                return line.text
        raise EOFError("\n".join(["the command has ended; it printed:", *(line.text for line in self.lines)]))

    def close(self) -> None:
        """Interrupt the command, as Ctrl-C does, and wait for its end."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        os.close(self._terminal)

    def _read(self) -> Iterator[Line]:
        decoder, rest = codecs.getincrementaldecoder("utf-8")("replace"), ""
        while True:
            try:
                data = os.read(self._terminal, 65_536)
            except OSError:  # Linux reports the end of a terminal's last process as an error
                data = b""
            *lines, rest = (rest + decoder.decode(data)).split("\n")
            for line in lines:
                yield Line(monotonic(), line.rstrip("\r"))
            if not data:
                return


def picture(title: str, lines: Sequence[Line]) -> str:
    """The SVG."""
    console = Console(file=StringIO(), record=True, width=COLUMNS, force_terminal=True, color_system="truecolor")
    times: list[float] = []  # of each row
    for line, pause in zip(lines, _pauses(lines), strict=True):
        for number, row in enumerate(Text.from_ansi(line.text).wrap(console, COLUMNS, overflow="fold") or [Text()]):
            times.append(sum(times[-1:]) + (SHORTEST if number else pause))
            console.print(row, no_wrap=True)
    seconds = times[-1] + END
    height = round(ROWS * _LINE, 1)
    values = {
        "name": _NAME,
        "title": escape(title),
        "full_width": round(COLUMNS * _CHAR + 2 * _MARGIN),
        "full_height": round(height + _TOP + _MARGIN),
        "width": round(COLUMNS * _CHAR, 1),
        "height": height,
        "margin": _MARGIN,
        "top": _TOP,
        "seconds": round(seconds, 1),
        "scrolled": round(max(0, len(times) - ROWS) * _LINE, 1),
        "rows": _frames([(at, -max(0, n - ROWS)) for n, at in enumerate(times, 1)], seconds),
        "cover": _frames([(0, 0), *((at, min(n, ROWS)) for n, at in enumerate(times, 1))], seconds),
    }
    return console.export_svg(title=title, code_format=_FORMAT.format(**values), unique_id=_NAME)


def _pauses(lines: Sequence[Line]) -> list[float]:
    """The seconds before each line: those of the recording, within limits."""
    between = [later.at - earlier.at for earlier, later in pairwise(lines)]
    return [LONGEST, *(min(max(pause, SHORTEST), LONGEST) for pause in between)]


def _frames(rows: Sequence[tuple[float, int]], seconds: float) -> str:
    """Keyframes that move by so many rows at each time; braces are doubled for rich's format."""
    frames, last = [], None
    for at, row in rows:
        if row != last:
            frames.append(f"{at / seconds:.3%} {{{{ transform: translateY({row * _LINE:.1f}px); }}}}")
        last = row
    return " ".join(frames)
