"""The subscriptions as Bicep: subscriptions.bicep, and the modules that it deploys into other resource groups.

Source: "Bicep file structure and syntax" and "Data types in Bicep" on learn.microsoft.com. Bicep has no literals of
numbers with a fraction, nor of integers beyond 64 bits; ``json`` reads them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlevents.subscriptions.deployment import (
    Call,
    Deployment,
    Existing,
    Joined,
    LocationOf,
    Module,
    Output,
    Parameter,
    PrincipalOf,
    Resource,
    Segment,
    deployments,
    parameters,
)
from mlevents.subscriptions.model import Plan
from schemas.errors import printable

MAIN, FOLDER = "subscriptions.bicep", "subscriptions"
_ABOUT = {
    "functionAppId": "The ARM id of the function app.",
    "storageId": "The ARM id of the storage account with the container for dead letters, and the queue.",
}
_LONGEST_INTEGER = 2**63
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")


def files(plan: Plan) -> dict[str, str]:
    """The files by their paths. The first is the module to deploy, into any resource group."""
    found = deployments(plan)
    modules = {each.module.name: each.module for each in found}
    inner = {f"{FOLDER}/{name}.bicep": _module(module) for name, module in modules.items()}
    return {MAIN: _main(plan, found), **inner}


def _main(plan: Plan, found: list[Deployment]) -> str:
    symbols = _Symbols(found)
    blocks = ["\n".join(_notes(plan)), "\n\n".join(_parameters(plan))]
    for each in found:
        for value in each.arguments.values():
            if isinstance(value, LocationOf):
                id, symbol = value.source, symbols.of_source(value)
                blocks.append(
                    f"resource {symbol} '{id.resource_type}@{id.api_version}' existing = "
                    + _braces({"name": id.name}, symbols, scope=_scope(each, symbols))
                )
        blocks.append(_deployed(each, symbols))
    return "\n\n".join(filter(None, blocks)) + "\n"


def _notes(plan: Plan) -> Iterator[str]:
    yield "// The event subscriptions that the rules need. Written by: mlevents subscriptions --format bicep"
    for note in plan.notes:
        yield _comment(note)
    for each in plan.subscriptions:
        yield _comment(f"{each.workspace}: for {', '.join(each.rules)}")
        yield from (_comment(f"  {note}") for note in each.notes)


def _comment(text: str) -> str:
    """A line that no tool takes for the beginning of a text of several lines."""
    return f"// {printable(text)}".replace("'''", "'' '")


def _parameters(plan: Plan) -> Iterator[str]:
    for name, default in parameters(plan.delivery).items():
        value = f" = {_text(default)}" if default else ""
        yield f"@description({_text(_ABOUT[name])})\nparam {name} string{value}"


def _deployed(deployment: Deployment, symbols: "_Symbols") -> str:
    body = {"name": deployment.name, "params": dict(deployment.arguments)}
    read = [value.deployment for value in deployment.arguments.values() if isinstance(value, Output)]
    after = "\n".join(f"    {symbols[each]}" for each in deployment.after if each not in read)
    end = f"  dependsOn: [\n{after}\n  ]\n" if after else ""
    path = f"{FOLDER}/{deployment.module.name}.bicep"
    scope = _scope(deployment, symbols)
    return f"module {symbols[deployment]} '{path}' = " + _braces(body, symbols, scope=scope, end=end)


def _scope(deployment: Deployment, symbols: "_Symbols") -> str:
    group = Call("resourceGroup", (deployment.subscription, deployment.resource_group))
    return _expression(group, symbols)


def _braces(body: Mapping[str, Any], symbols: "_Symbols", *, scope: str = "", end: str = "") -> str:
    first, *rest = (f"  {_key(name)}: {_value(value, symbols, 2)}\n" for name, value in body.items())
    return "{\n" + first + (f"  scope: {scope}\n" if scope else "") + "".join(rest) + end + "}"


def _module(module: Module) -> str:
    none = _Symbols([])
    blocks = [f"// {module.about}\n// Written by: mlevents subscriptions --format bicep"]
    blocks.append("\n".join(f"param {name} {type}" for name, type in module.parameters.items()))
    for resource in module.resources:
        if resource.within:
            blocks.append(_existing(resource.within, none))
        blocks.append(_resource(resource, none))
    blocks += [f"output {name} string = {_expression(value, none)}" for name, value in module.outputs.items()]
    return "\n\n".join(blocks) + "\n"


def _existing(existing: Existing, symbols: "_Symbols") -> str:
    names = Joined(tuple(part for name in existing.names for part in ("/", name))[1:])
    name = names.parts[0] if len(names.parts) == 1 else names
    return f"resource {existing.symbol} '{existing.type}@{existing.version}' existing = " + _braces(
        {"name": name}, symbols
    )


def _resource(resource: Resource, symbols: "_Symbols") -> str:
    link = {}
    if resource.within:
        link = {"scope" if resource.extends else "parent": _Symbol(resource.within.symbol)}
    body = {**link, "name": resource.name, **resource.body}
    return f"resource {resource.symbol} '{resource.type}@{resource.version}' = " + _braces(body, symbols)


class _Symbol(str):
    """The name of a resource or a module in the file."""

    __slots__ = ()


class _Symbols:
    """The names of deployments and workspaces in the main file, of letters and digits, each once."""

    def __init__(self, found: list[Deployment]) -> None:
        self._names: dict[str, str] = {}
        for deployment in found:
            self._add(deployment.name)
            for value in deployment.arguments.values():
                if isinstance(value, LocationOf):
                    self._add(value.source.text, value.source.noun.split()[-1])

    def _add(self, text: str, *kind: str) -> None:
        words = [*kind, *re.findall("[A-Za-z0-9]+", text.rpartition("/")[2])]
        name = words[0] + "".join(word[0].upper() + word[1:] for word in words[1:])
        taken = set(self._names.values())
        number = next(n for n in range(1, len(taken) + 2) if f"{name}{n if n > 1 else ''}" not in taken)
        self._names.setdefault(text, f"{name}{number if number > 1 else ''}")

    def __getitem__(self, deployment: Deployment) -> str:
        return self._names[deployment.name]

    def of_source(self, location: LocationOf) -> str:
        return self._names[location.source.text]


def _value(value: Any, symbols: _Symbols, indent: int) -> str:
    space, outer = " " * (indent + 2), " " * indent
    match value:
        case _Symbol():
            return str(value)
        case dict():
            lines = [f"{space}{_key(name)}: {_value(inner, symbols, indent + 2)}\n" for name, inner in value.items()]
            return "{\n" + "".join(lines) + outer + "}"
        case list():
            return "[\n" + "".join(f"{space}{_value(inner, symbols, indent + 2)}\n" for inner in value) + outer + "]"
        case bool():
            return str(value).lower()
        case int() if 0 <= value < _LONGEST_INTEGER:
            return str(value)
        case int() | float():
            return f"json('{value!r}')"
    return _expression(value, symbols)


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    return f"'{_escaped(text)}'"


def _escaped(text: str) -> str:
    """A text as a part of a string, where ``${`` would begin an expression."""
    text = text.replace("\\", "\\u{5c}").replace("'", "\\'").replace("${", "\\${")  # tools misread an escaped backslash
    names = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return "".join(names.get(each) or (each if each.isprintable() else f"\\u{{{ord(each):x}}}") for each in text)


def _expression(value: Any, symbols: _Symbols) -> str:
    match value:
        case Parameter():
            return value.name
        case Joined():
            parts = (_escaped(p) if isinstance(p, str) else f"${{{_expression(p, symbols)}}}" for p in value.parts)
            return f"'{''.join(parts)}'"
        case Call():
            return f"{value.function}({', '.join(_expression(each, symbols) for each in value.arguments)})"
        case Segment():
            return f"split({value.id.name}, '/')[{value.index}]"
        case LocationOf():
            return f"{symbols.of_source(value)}.location"
        case Output():
            return f"{symbols[value.deployment]}.outputs.{value.name}"
        case PrincipalOf():
            return f"{value.resource.symbol}.identity.principalId"
    return _text(str(value))
