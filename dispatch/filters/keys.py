"""Keys of filters and conditions: names, separated by dots, that identify a value in an event."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from schemas.context import Context
from schemas.errors import shown
from schemas.events.base import ADDED
from schemas.plain import MAX_NAMES, MISSING, fold, reach, step

_SYNONYMS = (
    ("id", "eventid"),
    ("topic", "source"),
    ("eventtype", "type"),
    ("dataversion", "dataschema", "eventtypeversion"),
)
_APART = {"data", *ADDED}  # the members that `Context.view_of` builds alone
_ENVELOPE, _WHOLE = "envelope", "whole"  # names of the other parts
_SYNONYMS_OF = {name: group for group in _SYNONYMS for name in group}


def synonyms_of(key: str) -> tuple[str, ...]:
    """The names of a member of the envelope in all schemas, in lower case; none for any other key."""
    return _SYNONYMS_OF.get(key.lower(), ())


def check_key(key: str) -> str:
    """The key itself. Raises ValueError if it, or a name between its dots, is empty, or if it has too many names."""
    names = key.split(".")
    if not all(name.strip() for name in names):
        raise ValueError(f"{key!r} is not a key. Write names separated by dots, such as data.runStatus")
    if len(names) > MAX_NAMES:
        raise ValueError(f"the key {shown(key)} has {len(names)} names between dots; at most {MAX_NAMES} are allowed")
    return key


def find(event: Mapping[str, Any], key: str) -> object:
    """The value of a filter's key, or MISSING. A dot enters an object; `$` and `[0]` have no meaning."""
    found: object = event
    for name in key.split("."):
        found = step(found, name)
    if found is MISSING:
        others = (step(event, name) for name in synonyms_of(key))
        found = next((value for value in others if value is not MISSING), MISSING)
    return found


def find_across_dots(event: Mapping[str, Any], key: str) -> object:
    """The value of a condition's key, or MISSING. Works as `find`, but a name may contain dots."""
    found = find(event, key)
    return reach(event, key.split("."), step) if found is MISSING else found


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """A key of `EventValues`: the key of a condition, and the reader of its operator's type. See `slot`."""

    names: tuple[str, ...]  # between the key's dots
    folded: tuple[str, ...]  # the same names
    synonyms: tuple[str, ...]  # of the key
    read: Callable[[object], Any] | None  # of `dispatch.filters.operators.Kind`; None: the value as it is


@cache  # conditions share a slot, so it can be found by identity, which is the fastest
def slot(key: str, read: Callable[[object], Any] | None) -> Slot:
    """The slot of all conditions with this key and operators of this type."""
    names = tuple(key.split("."))
    return Slot(names, tuple(fold(name) or "" for name in names), synonyms_of(key), read)


class EventValues(dict[Slot, Any]):
    """The values that the conditions of all rules read from one event. A slot is filled when it is first read.

    A slot holds MISSING, or the values of the operator's type: all such elements of an array, else one value or none.
    """

    __slots__ = ("_context", "_members", "_parts")

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._members = _Members()
        self._parts: dict[str, dict[str, Any]] = {}

    def __missing__(self, slot: Slot) -> Any:
        found = self._members.find(self._part(slot.folded[0]), slot)
        read = slot.read
        if read is not None and found is not MISSING:
            elements = found if isinstance(found, list | tuple) else (found,)
            found = tuple([value for element in elements if (value := read(element)) is not None])
        self[slot] = found
        return found

    def _part(self, folded: str) -> dict[str, Any]:
        """The part of the view in which a key can be whose first name is `folded`: the whole view takes longer."""
        name, event = folded.lower(), self._context.event
        if name not in event.facts:
            name = name if name in _APART else _ENVELOPE
            if event.model_extra:  # their names may have dots, or differ from others in case only
                name = _WHOLE
        part = self._parts.get(name)
        if part is None:
            part = self._parts[name] = self._context.view() if name == _WHOLE else self._context.view_of(name)
        return part


def value_of(context: Context, key: str) -> object:
    """The value of a condition's key for an event, or MISSING. Only the part of the view is built that has the key."""
    return EventValues(context)[slot(key, None)]


class _Members:
    """Finds the members of one event as `find_across_dots` does, but folds the names of each object only once.

    It identifies an object by its address: the event must exist, unchanged, as long as this instance.
    """

    __slots__ = ("_folded",)

    def __init__(self) -> None:
        self._folded: dict[int, dict[str, object]] = {}

    def find(self, event: Mapping[str, Any], slot: Slot) -> object:
        """The value of a key, or MISSING."""
        found: object = event
        for name, folded in zip(slot.names, slot.folded, strict=True):
            found = self._step(found, name, folded)
        if found is not MISSING:
            return found
        for name in slot.synonyms:
            if (found := self._step(event, name, name.upper())) is not MISSING:
                return found
        return self._reach(event, slot, 0)

    def _step(self, holder: object, name: str, folded: str) -> object:
        """As `step`, for a name that is folded already."""
        if not isinstance(holder, dict):  # a view is plain data
            return MISSING
        return holder[name] if name in holder else self._by_folded_name(holder).get(folded, MISSING)

    def _reach(self, holder: object, slot: Slot, start: int) -> object:
        """As the function of this name, for the names of a key from the one at `start`."""
        end = len(slot.names)
        if start == end:
            return holder
        for stop in range(end, start, -1):
            inner = self._step(holder, ".".join(slot.names[start:stop]), ".".join(slot.folded[start:stop]))
            if inner is not MISSING and (found := self._reach(inner, slot, stop)) is not MISSING:
                return found
        return MISSING

    def _by_folded_name(self, holder: dict[str, Any]) -> dict[str, object]:
        """The members of an object by their folded names. Of those with the same one, the first counts."""
        found = self._folded.get(id(holder))
        if found is None:
            found = {
                (name.upper() if name.isascii() else fold(name) or ""): value
                for name, value in reversed(holder.items())
            }
            self._folded[id(holder)] = found
        return found
