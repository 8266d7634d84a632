"""docs/log.md lists every event that the app logs, with its keys and levels."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "log.md").read_text(encoding="utf-8")
OTHERS = "**"  # stands for keys that a call takes from a mapping
LEVELS = {"DEBUG", "INFO", "WARNING", "ERROR"}


@dataclass
class Logged:
    """What the calls of `log_event` with one name have in common."""

    keys: set[str] = field(default_factory=set)
    levels: set[str] = field(default_factory=set)


def calls(source: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "log_event":
            yield node


def constants(node: ast.expr) -> list[str]:
    """The texts that an expression can be: a constant, or one of two."""
    if isinstance(node, ast.IfExp):
        return [*constants(node.body), *constants(node.orelse)]
    assert isinstance(node, ast.Constant), f"line {node.lineno}: the name of an event must be a constant"
    return [str(node.value)]


@cache
def logged() -> dict[str, Logged]:
    """Every event of the log by name, as the code logs it."""
    found: defaultdict[str, Logged] = defaultdict(Logged)
    for folder in ("dispatch", "handlers", "schemas", "web"):
        for source in sorted((ROOT / folder).rglob("*.py")):
            for call in calls(source):
                for name in constants(call.args[0]):
                    found[name].keys |= {keyword.arg or OTHERS for keyword in call.keywords}
                    found[name].levels |= set(re.findall(r"logging\.([A-Z]+)", ast.unparse(call))) or {"INFO"}
                    if len(call.args) > 1 and isinstance(call.args[1], ast.Name):
                        found[name].levels = LEVELS  # the level is a variable
    return dict(found)


def documented() -> dict[str, tuple[set[str], set[str]]]:
    """The keys and levels in the page's table by name."""
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| ([A-Z, ]+) \| `([a-z ]+)` \| .* \|$", PAGE, re.MULTILINE)
    found: defaultdict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for name, levels, keys in rows:
        found[name][0].update(keys.split())
        found[name][1].update(levels.split(", "))
    return dict(found)


def test_the_page_lists_exactly_the_events_that_the_code_logs() -> None:
    """A new event needs a row in docs/log.md."""
    assert len(logged()) > 15
    assert documented().keys() == logged().keys()


@pytest.mark.parametrize("name", sorted(logged()))
def test_the_page_has_the_keys_and_levels_of_an_event(name: str) -> None:
    keys, levels = documented()[name]
    event = logged()[name]
    assert event.keys - {OTHERS} <= keys
    assert keys <= event.keys or OTHERS in event.keys
    assert levels <= event.levels
    assert event.levels in (LEVELS, levels)


def test_the_names_are_read_from_the_code() -> None:
    """Both names of a choice, and every key."""
    events = logged()
    assert {"event.received", "event.duplicate"} <= events.keys()
    assert events["event.received"].keys >= {"id", "type", "workspace", "object", "rules"}
    assert events["action.settled"].levels >= {"INFO", "ERROR"}
    assert events["event.rejected"].keys >= {"kind", "reason", "id", "type"}
    assert events["sweep.done"].keys >= {"indexed", OTHERS}


def test_names_of_events_are_constants() -> None:
    """Otherwise this file could not find them."""
    [call] = ast.parse("log_event('a.' + kind)").body
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    with pytest.raises(AssertionError, match="line 1: the name of an event must be a constant"):
        constants(call.value.args[0])
