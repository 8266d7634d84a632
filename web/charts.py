"""Charts as rectangles, which a template draws as SVG. Colors are those of the stylesheet."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

WIDTH, HEIGHT, GAP = 700, 120, 6  # units of the drawing


class Part(NamedTuple):
    """A part of a bar."""

    kind: str  # its class in the stylesheet
    number: int
    y: float
    height: float


class Bar(NamedTuple):
    """A bar of a day."""

    label: str
    x: float
    width: float
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The bar in words: "2026-11-22: 3 succeeded, 1 failed"."""
        counts = ", ".join(f"{part.number} {part.kind}" for part in self.parts)
        return f"{self.label}: {counts or 'nothing'}"


def bars(columns: Mapping[str, Mapping[str, int]], kinds: Sequence[str]) -> list[Bar]:
    """A bar for each column, stacked from the first kind, at the bottom, to the last."""
    most = max((sum(counts.values()) for counts in columns.values()), default=0) or 1
    step = WIDTH / (len(columns) or 1)
    found = []
    for number, (label, counts) in enumerate(columns.items()):
        y, parts = float(HEIGHT), []
        for kind in kinds:
            if count := counts.get(kind, 0):
                height = round(count / most * HEIGHT, 1)
                y = round(y - height, 1)
                parts.append(Part(kind, count, y, height))
        found.append(Bar(label, round(number * step + GAP / 2, 1), round(step - GAP, 1), tuple(parts)))
    return found
