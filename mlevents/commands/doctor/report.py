"""The report of `mlevents doctor`, for people and as JSON."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from mlevents.console import Console
from mlevents.doctor.diagnosis import Diagnosis
from mlevents.findings import counted

_STYLES = {"ok": "success", "warning": "warning", "error": "error"}
_MARKS = {"ok": "ok       ", "warning": "warning  ", "error": "error    "}
_MARGIN = 9  # characters before the text of a diagnosis


def print_diagnosis(each: Diagnosis, console: Console) -> None:
    """Print what was found in a line, and where and what to do below it unless all is well."""
    console.print(f"{_MARKS[each.severity]}{each.group}: {each.what}", _STYLES[each.severity], indent=_MARGIN)
    if each.severity == "ok":
        return
    if each.where:
        console.print(f"{'':<{_MARGIN}}at {each.where}", "faint", indent=_MARGIN + 3)
    if each.to_do:
        console.print(f"{'':<{_MARGIN}}to do: {each.to_do}", indent=_MARGIN + 7)


def print_summary(found: Sequence[Diagnosis], console: Console) -> None:
    """Print the numbers in the last line."""
    counts = _counts(found)
    errors, warnings = (counted(counts[each], each) for each in ("error", "warning"))
    console.print(f"{errors}, {warnings}, {counts['ok']} ok", "error" if counts["error"] else "success")


def as_json(found: Iterable[Diagnosis]) -> dict[str, Any]:
    """The diagnoses and their numbers, as docs/doctor.md describes them."""
    found = list(found)
    diagnoses = [{("toDo" if name == "to_do" else name): text for name, text in asdict(each).items()} for each in found]
    counts = _counts(found)
    return {"diagnoses": diagnoses, "summary": {name: counts[name] for name in ("error", "warning", "ok")}}


def _counts(found: Iterable[Diagnosis]) -> Counter[str]:
    return Counter(each.severity for each in found)
