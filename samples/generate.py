"""Write the samples beside this file from the examples in `schemas`: run ``.venv/bin/python -m samples.generate``.

Each event type has a file, and so has the breach of a model monitor, in the form in which Event Grid delivers events:
an array with one event. docs/events.md is written, too. `tests/schemas/test_samples.py` fails if a file differs from
what this module would write.
"""

import json
import re
from pathlib import Path

from samples.reference import PAGE, reference
from schemas import EVENT_TYPES, RunStatusChanged
from schemas.examples import MODEL_MONITOR_BREACH

FOLDER = Path(__file__).parent


def samples() -> dict[str, str]:
    """The text of every sample by file name."""
    events = {_snake_case(event_class.__name__): event_class.example() for event_class in EVENT_TYPES.values()}
    events["model_monitor_breach"] = RunStatusChanged.example(**MODEL_MONITOR_BREACH)
    return {f"{name}.json": json.dumps([event.wire()], indent=2) + "\n" for name, event in events.items()}


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


if __name__ == "__main__":
    for name, text in samples().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    PAGE.write_text(reference(), encoding="utf-8")
