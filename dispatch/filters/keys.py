"""Keys of filters and conditions: names, separated by dots, that identify a value in an event."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from dispatch.filters.operators import MISSING, fold
from schemas.context import Context

_SYNONYMS = (
    ("id", "eventid"),
    ("topic", "source"),
    ("eventtype", "type"),
    ("dataversion", "dataschema", "eventtypeversion"),
)
_SYNONYMS_OF = {name: group for group in _SYNONYMS for name in group}


def check_key(key: str) -> str:
    """The key itself. Raises ValueError if it, or a name between its dots, is empty."""
    if not all(name.strip() for name in key.split(".")):
        raise ValueError(f"{key!r} is not a key. Write names separated by dots, such as data.runStatus")
    return key


def step(holder: object, name: str) -> object:
    """The member with this name, in the same case, else in any; MISSING if `holder` is no object or lacks it."""
    if not isinstance(holder, Mapping):
        return MISSING
    if name in holder:
        return holder[name]
    folded = fold(name)
    return next((value for key, value in holder.items() if fold(key) == folded), MISSING)


def find(event: Mapping[str, Any], key: str) -> object:
    """The value of a filter's key, or MISSING. A dot enters an object; `$` and `[0]` have no meaning."""
    found: object = event
    for name in key.split("."):
        found = step(found, name)
    if found is MISSING:
        others = (step(event, name) for name in _SYNONYMS_OF.get(key.lower(), ()))
        found = next((value for value in others if value is not MISSING), MISSING)
    return found


def find_across_dots(event: Mapping[str, Any], key: str) -> object:
    """The value of a condition's key, or MISSING. Works as `find`, but a name may contain dots."""
    found = find(event, key)
    return _reach(event, key.split(".")) if found is MISSING else found


def _reach(holder: object, names: Sequence[str]) -> object:
    """Follow the names, any of which may be joined by dots to one name; the longest join comes first."""
    if not names:
        return holder
    for count in range(len(names), 0, -1):
        inner = step(holder, ".".join(names[:count]))
        if inner is not MISSING and (found := _reach(inner, names[count:])) is not MISSING:
            return found
    return MISSING


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """A key of `EventValues`: the key of a condition, and the reader of its operator's type. See `slot`."""

    key: str
    names: tuple[str, ...]  # the key, folded, and its synonyms
    read: Callable[[object], Any] | None  # of `dispatch.filters.operators.Kind`; None: the value as it is


@cache  # conditions share a slot, so it can be found by identity, which is the fastest
def slot(key: str, read: Callable[[object], Any] | None) -> Slot:
    """The slot of all conditions with this key and operators of this type."""
    return Slot(key, (fold(key) or "", *(name.upper() for name in _SYNONYMS_OF.get(key.lower(), ()))), read)


class EventValues(dict[Slot, Any]):
    """The values that the conditions of all rules read from one event. A slot is filled when it is first read.

    A slot holds MISSING, or the values of the operator's type: all such elements of an array, else one value or none.
    """

    __slots__ = ("_context", "_data", "_view")

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._data: _Index | None = None
        self._view: _Index | None = None

    def __missing__(self, slot: Slot) -> Any:
        index = self._view or (slot.names[0].startswith("DATA.") and self._data) or self._index_for(slot)
        found = index.find(slot)
        read = slot.read
        if read is not None and found is not MISSING:
            elements = found if isinstance(found, list | tuple) else (found,)
            found = tuple([value for element in elements if (value := read(element)) is not None])
        self[slot] = found
        return found

    def _index_for(self, slot: Slot) -> "_Index":
        """Index the view; or only the data if the key's value can only be there, since the whole view takes longer."""
        event = self._context.event
        if slot.names[0].startswith("DATA.") and not event.model_extra:
            self._data = _Index({"data": event.data.wire()})
            return self._data
        self._view = _Index(self._context.view())
        return self._view


class _Index:
    """All members of an event by their folded keys, so that one look-up replaces `find_across_dots`.

    Where two keys fold to the same one, which member comes first depends on the spelling of the condition's key, and on
    the order of members. In such an event, `find_across_dots` itself finds the value of every key.
    """

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._event = event
        self._members: dict[str, object] = {}
        self._is_ambiguous = False
        self._add(event, "")

    def _add(self, holder: Mapping[str, Any], prefix: str) -> None:
        for name, value in holder.items():
            key = prefix + (name.upper() if name.isascii() else fold(name) or "")
            if key in self._members:
                self._is_ambiguous = True
            self._members[key] = value
            if isinstance(value, dict):  # a view is plain data
                self._add(value, key + ".")

    def find(self, slot: Slot) -> object:
        """The value of a key, or MISSING."""
        if self._is_ambiguous:
            return find_across_dots(self._event, slot.key)
        for name in slot.names:
            if name in self._members:
                return self._members[name]
        return MISSING
