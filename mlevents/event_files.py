"""Events from samples and files, and changes of them, for `mlevents send` and for tests of rules."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dispatch.replay.deadletters import BadBlob, events_of
from mlevents import PROJECT
from schemas.wire import fold

_BAGS = {f"{owner}{bag}" for owner in ("run", "model", "service") for bag in ("tags", "properties")}


class BadEvent(Exception):  # noqa: N818 - the name says what is bad
    """A source has no event, or a change does not fit one; the message says which, and what to write."""


def read_event(source: str, *folders: Path) -> dict[str, Any]:
    """The first event of a file, of a sample by its name, or of standard input (``-``).

    A relative path is looked for in the current folder, or else in the `folders`; a sample in ``samples`` of the
    folders and of this project. Raises BadEvent.
    """
    places = [folder / source for folder in folders or (Path(),)]
    samples = [folder / "samples" / f"{source}.json" for folder in (*folders, PROJECT)]
    path = next((place for place in (*places, *samples) if place.is_file()), None)
    if source != "-" and path is None:
        known = ", ".join(sorted(each.stem for each in (PROJECT / "samples").glob("*.json")))
        raise BadEvent(f"there is no file {source}, and no such sample; samples are {known}")
    try:
        text = path.read_text(encoding="utf-8") if path and source != "-" else sys.stdin.read()
        first = json.loads(events_of(text)[0])
    except (OSError, UnicodeDecodeError, BadBlob) as error:
        raise BadEvent(f"{source} holds no event: {error}") from error
    if not isinstance(first, dict):
        raise BadEvent(f"{source} holds no event: it is not a JSON object")
    return first


def change_event(event: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Set values of an event by their keys, like ``data.runStatus``; the case of keys does not matter.

    What follows a group of tags is one name, dots included. Raises BadEvent.
    """
    for key, value in changes.items():
        names = key.split(".")
        if not all(names):
            raise BadEvent(f"{key!r} is not a key of an event; write data.runTags.owner")
        if len(names) > 3 and fold(names[1]) in _BAGS:
            names = [*names[:2], ".".join(names[2:])]
        holder = event
        for name in names[:-1]:
            inner = holder.setdefault(spelled(holder, name), {})
            if not isinstance(inner, dict):
                raise BadEvent(f"{key!r}: {name} is no object of the event")
            holder = inner
        holder[spelled(holder, names[-1])] = value


def spelled(holder: Mapping[str, Any], name: str) -> str:
    """The name as the event spells it, if it has one that differs in case only."""
    return next((other for other in holder if other.casefold() == name.casefold()), name)
