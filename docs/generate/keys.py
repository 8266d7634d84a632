"""docs/reference/keys.md: the keys of rules files and the settings of handlers, with what their values may be."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter

from dispatch.rules.schema import SCHEMAS
from docs.generate.table import row
from handlers import builtin, find
from handlers.duration import format_duration

_INTRODUCTION = """\
# Keys and their values

The keys of rules files and of workspaces.yaml, and the settings of the built-in handlers, with what their values may
be: what an editor completes with the [schemas](../rules.md#editors). [Rules](../rules.md) and the
[handlers' pages](../handlers/README.md) say what each is for. `python -m docs.generate` writes this page.

A value can also be an app setting, [`${RULES_NAME}`](../rules.md#settings), where it says a text, a number or a span.
A *span* is a number and a unit, `s`, `m`, `h` or `d`, such as `90s` or `1h30m`.
"""
_SETTING = "RULES_"  # of the alternative that a value comes from an app setting
_SPAN = "smhd"  # of the pattern of a span
_ANY_SCALAR = ["string", "number", "boolean"]
_PAGES = {  # where the handlers of one page are described
    **dict.fromkeys(("blob", "event_grid", "event_hub", "service_bus", "storage_queue"), "streams"),
    "log": "README",
}
_OF_A_RULE = ("RuleKeys", "After", "Group", "Limit", "Retry")  # first, in this order


def page() -> str:
    """The page."""
    rules, workspaces = (SCHEMAS[f"{kind}.schema.json"]() for kind in ("rules", "workspaces"))
    definitions: dict[str, Any] = rules["$defs"]
    handlers = {find(name).__name__: name for name in builtin()}
    own = {name: _used_by(definitions, name) for name in handlers}
    shared = set().union(*own.values()) | handlers.keys()
    first = [name for name in _OF_A_RULE if name in definitions]
    others = [name for name in definitions if name not in shared and name not in first]
    parts = [_INTRODUCTION, "## Rules files\n"]
    for name in [*first, *others]:
        parts += _table(name, definitions[name], definitions, "### " + _title(name))
    parts.append("## workspaces.yaml\n")
    parts += _table("", workspaces, workspaces["$defs"], "")
    parts += _table("", workspaces["$defs"]["WorkspaceKeys"], workspaces["$defs"], "### A workspace")
    parts.append("## Settings of handlers\n")
    for name, do in handlers.items():
        parts += _table(name, definitions[name], definitions, f"### {do}", f"../handlers/{_PAGES.get(do, do)}.md")
        for inner in sorted(own[name]):
            parts += _table(inner, definitions[inner], definitions, f"#### {do}: {_title(inner)}")
    return "\n".join(parts)


def _title(name: str) -> str:
    """A name of a class in words: `SmokeTest` becomes "smoke test"."""
    known = {"RuleKeys": "A rule", "Limit": "at_most", "Retry": "retry", "After": "after"}
    return known.get(name) or " ".join(re.findall(r"[A-Z][a-z]*", name)).lower()


def _used_by(definitions: dict[str, Any], name: str) -> set[str]:
    """The other definitions that one refers to, directly or through others."""
    found: set[str] = set()
    todo = [name]
    while todo:
        for other in re.findall(r'"#/\$defs/(\w+)"', json.dumps(definitions[todo.pop()])):
            if other not in found:
                found.add(other)
                todo.append(other)
    return found


def _table(
    name: str, schema: dict[str, Any], definitions: dict[str, Any], heading: str, link: str = ""
) -> Iterator[str]:
    properties: dict[str, Any] = schema.get("properties") or next(
        (s["properties"] for s in schema.get("anyOf", ()) if "properties" in s), {}
    )
    if not properties:
        return
    if heading:
        yield f"{heading}\n"
    about = " ".join(schema.get("description", "").partition("\n\n")[0].replace("``", "`").split())
    if about:
        yield about + (f" See [its page]({link})." if link else "") + "\n"
    required = set(schema.get("required", ()))
    described = any("description" in each for each in properties.values())
    head = "| key | value | default |" + (" meaning |" if described else "")
    yield "\n".join([head, "|---" * head.count(" |") + "|", *_rows(properties, required, definitions, described), ""])


def _rows(
    properties: dict[str, Any], required: set[str], definitions: dict[str, Any], described: bool
) -> Iterator[str]:
    for key, schema in properties.items():
        default = "required" if key in required else _default(schema)
        cells = [
            f"`{key}`",
            _kind(schema, definitions),
            default,
            *([schema.get("description", "")] if described else []),
        ]
        yield row(cells)


def _default(schema: dict[str, Any]) -> str:
    default = schema.get("default")
    if default in (None, "", [], {}):
        return ""
    if isinstance(default, str) and re.fullmatch(r"P(\d+D)?(T[\dHMS.]+)?", default):
        default = format_duration(TypeAdapter(timedelta).validate_python(default))
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _kind(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What a value may be, in words."""
    if reference := schema.get("$ref"):
        return _referred(reference.rpartition("/")[2], definitions)
    if alternatives := schema.get("anyOf") or schema.get("oneOf"):
        kinds = [_kind(each, definitions) for each in alternatives if not _is_left_out(each)]
        return _joined(list(dict.fromkeys(kinds)) or ["a text"])
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"] if "." not in str(each))
    kind = schema.get("type")
    if kind == "string":
        return "a span" if _SPAN in schema.get("pattern", "") else "a secret" if schema.get("writeOnly") else "a text"
    if kind in ("integer", "number"):
        return "a number" + _limits(schema)
    if kind == "array":
        return f"a list of {_plural(_kind(schema.get('items', {}), definitions))}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"{_plural(_kind(inner, definitions))} by name" if isinstance(inner, dict) else "keys and values"
    return "`true` or `false`" if kind == "boolean" else "any value"


def _joined(kinds: list[str]) -> str:
    """Alternatives in words: "a text, or a list of them"."""
    first, *others = kinds
    return ", or ".join([first, *("a list of them" if o == f"a list of {_plural(first)}" else o for o in others)])


def _referred(name: str, definitions: dict[str, Any]) -> str:
    schema = definitions[name]
    if "properties" in schema or any("properties" in each for each in schema.get("anyOf", ())):
        return f"{_title(name)} (see below)" if name != "RuleKeys" else "a rule"
    return "a condition" if name.startswith("Condition") else _kind(schema, definitions)


def _is_left_out(schema: dict[str, Any]) -> bool:
    """Is it an alternative that the page's introduction describes, or null?"""
    return schema.get("type") in ("null", _ANY_SCALAR) or _SETTING in schema.get("pattern", "")


def _limits(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return f", at least {low}" if low is not None else f", at most {high}" if high is not None else ""


def _plural(kind: str) -> str:
    words = {"a text": "texts", "a number": "numbers", "a secret": "secrets", "a rule": "rules", "any value": "values"}
    words |= {"a condition": "conditions"}
    return words.get(kind, kind)
