"""The spans of a deployment as an SVG: received by a real OTLP receiver from the app that deploys to the emulator."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from tests.handlers.deploy.site import DEV, PROD, Site
from tests.kit.emulator import emulated_azure, shared_clock
from tests.kit.otlp import ReceivedSpan, otlp_receiver

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 1000, 450, 70, 26, 84  # units of the drawing
_LEAST = 6  # the width of a bar
_STYLE = """\
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif; fill: #1b212b; }
.title { font-size: 16px; font-weight: 600; } .quiet { fill: #5a6575; font-size: 12px; } .end { text-anchor: end; }
.mid { text-anchor: middle; } .receive { fill: #1d5bb8; } .act { fill: #8a5300; } .done { fill: #17713f; }
.grid { stroke: #e4e8ee; } .wait { stroke: #b9a27c; stroke-dasharray: 2 4; }"""


class Call(NamedTuple):
    """A span, and when it ended by the app's clock."""

    at: float  # seconds after the event was received
    span: ReceivedSpan


def deployment() -> list[Call]:
    """The spans of a model from its registration until it serves an endpoint. The clock moves to when work is due."""
    with (
        TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        emulated_azure(patch, PROD, DEV) as azure,
    ):
        shared_clock(azure)
        site = Site.of(azure, Path(folder), "", {})
        start, calls = site.world.clock.time, list[Call]()
        with otlp_receiver() as receiver, receiver.telemetry() as site.world.telemetry:
            site.register("7")
            while True:
                seconds = (site.world.clock.time - start).total_seconds()
                calls += [Call(seconds, span) for span in receiver.spans[len(calls) :]]
                if not site.world.queue.messages:
                    return calls
                site.world.step()


def picture(calls: Sequence[Call]) -> str:
    """The SVG: a row for each call, at its time, with what came of it."""
    height = _TOP + len(calls) * _ROW + 40
    longest = max(call.at for call in calls)
    scale = (_WIDTH - _LEFT - _RIGHT) / longest
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" xmlns="http://www.w3.org/2000/svg" role="img" '
        'aria-label="The spans of a deployment, from the event to its end">',
        f"<style>{_STYLE}</style>",
        f'<rect x=".5" y=".5" width="{_WIDTH - 1}" height="{height - 1}" rx="12" fill="#fff" stroke="#dfe3e9"/>',
        '<text class="title" x="24" y="34">One trace: a model, from its registration until it has traffic</text>',
        f'<text class="quiet" x="24" y="56">{len(calls)} spans. Between two calls, the action waits in the queue '
        "(dotted), and no worker with it.</text>",
    ]
    for second in range(0, int(longest) + 1, _step(longest)):
        x = _LEFT + second * scale
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 4}" y2="{height - 34}"/>')
        parts.append(f'<text class="quiet mid" x="{x:.1f}" y="{height - 16}">{second} s</text>')
    before = 0.0
    for row, call in enumerate(calls):
        y, x = _TOP + row * _ROW, _LEFT + call.at * scale
        parts.append(f'<text x="24" y="{y + 14}">{escape(_text(call.span))}</text>')
        if x > before + 1 and row:
            parts.append(f'<line class="wait" x1="{before:.1f}" x2="{x:.1f}" y1="{y + 9}" y2="{y + 9}"/>')
        width = max(_LEAST, call.span.seconds * scale)
        parts.append(
            f'<rect class="{_kind(call.span)}" x="{x:.1f}" y="{y + 2}" width="{width:.1f}" height="14" rx="3"/>'
        )
        parts.append(
            f'<text class="quiet" x="{x + width + 6:.1f}" y="{y + 14}">{call.span.seconds * 1000:.0f} ms</text>'
        )
        before = x
    return "\n".join([*parts, "</svg>", ""])


def _step(longest: float) -> int:
    """The seconds between two lines of the grid: at most ten."""
    return next(step for step in (1, 5, 10, 30, 60, 300, 600, 3_600, 86_400) if longest / step <= 10)


def _text(span: ReceivedSpan) -> str:
    note = str(span.attributes.get("mlevents.note") or span.attributes.get("mlevents.object"))
    text = f"{span.name}: {note}"
    return text if len(text) <= 60 else f"{text[:58]}…"


def _kind(span: ReceivedSpan) -> str:
    """The class of its bar."""
    if span.name.startswith("receive"):
        return "receive"
    return "done" if span.attributes["mlevents.status"] == "succeeded" else "act"
