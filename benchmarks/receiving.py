"""Receiving an event without storage: parsing, matching, rendering; each as a multiple of `json.loads` of the event."""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from timeit import repeat

from dispatch.filters.event_filter import EventFilter
from dispatch.rules import load
from handlers.template import Template
from schemas import RunStatusChanged, parse_event

ROOT = Path(__file__).resolve().parent.parent
NUMBER = 2_000

FILTER = {
    "includedEventTypes": ["Microsoft.MachineLearningServices.RunStatusChanged"],
    "subjectBeginsWith": "experiments/",
    "advancedFilters": [
        {"operatorType": "StringIn", "key": "data.runStatus", "values": ["Failed", "NotResponding"]},
        {"operatorType": "IsNotNull", "key": "data.runTags.team"},
    ],
}


def steps() -> dict[str, Callable[[], object]]:
    """What is measured; the first is the floor."""
    settings = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    rules = load(ROOT / "samples" / "rules", settings)
    event = RunStatusChanged.example()
    raw, wire = json.dumps(event.wire()), event.wire()
    context = rules.context(event)
    in_context = context.event_for_handler()
    event_filter = EventFilter.model_validate(FILTER)
    template = Template("{{ data.experimentName }} failed in {{ workspace.name }}")
    return {
        "json.loads, the floor": lambda: json.loads(raw),
        "parse_event": lambda: parse_event(raw),
        "find the workspace, match": lambda: rules.matching(rules.context(event)),
        "EventFilter.matches": lambda: event_filter.matches(wire),
        "render a subject": lambda: template.render(in_context),
    }


def main() -> None:
    """Print a line per step."""
    times = {name: median(repeat(step, number=NUMBER, repeat=5)) / NUMBER for name, step in steps().items()}
    floor = next(iter(times.values()))
    for name, seconds in times.items():
        print(f"{name:24} {seconds / floor:6.1f} x   ({seconds * 1e6:.0f} µs here)")


if __name__ == "__main__":
    main()
