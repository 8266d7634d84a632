"""Check the templates in a handler's settings: the keys that they read."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from dispatch.rules.checks.scope import Scope, joined, written
from dispatch.rules.errors import closest
from dispatch.rules.reading.nodes import Node, RuleFile, Scalar, scalars_of
from handlers.base import Handler
from handlers.http.url import Url
from handlers.json_template import JsonTemplate
from handlers.template import Template
from handlers.templates.keys import Read

_SINGLE_BRACES = re.compile(r"(?<![{$])\{ *(\w+\.[\w.]*\w) *\}(?!\})")


def check_templates(handler: Handler[Any], settings: Node | None, scope: Scope, file: RuleFile) -> None:
    """Report keys that no event has, and warn of those that some events lack, at the templates that read them."""
    templates = {template.source: (template, given) for template, given in templates_of(handler, frozenset())}
    for node in scalars_of(settings):
        if isinstance(node.value, str) and node.value in templates:
            _check(*templates[node.value], node, scope, file)


def _check(template: Template, given: frozenset[str], node: Scalar, scope: Scope, file: RuleFile) -> None:
    for key in _SINGLE_BRACES.findall(template.source):
        if scope.find(key.split(".")):
            file.warning(node, f"{{ {key} }} is not replaced", f"Write {{{{ {key} }}}}.")
    reported: set[tuple[str | int, ...]] = set()
    for read in template.reads:
        if read.path[0] in given:
            continue
        unknown = next((n for n in range(1, len(read.path) + 1) if not scope.find(read.path[:n])), 0)
        if unknown:
            if read.path[:unknown] not in reported:
                message, hint = scope.lacks(read.path)
                meant = closest(str(read.path[0]), given) if unknown == 1 else None
                file.error(node.at_line(read.line), message, f"Did you mean {meant}?" if meant else hint)
            reported.add(read.path[:unknown])
        elif not read.is_guarded:
            _warn_of_missing(node, scope, file, read)


def _warn_of_missing(node: Scalar, scope: Scope, file: RuleFile, read: Read) -> None:
    found, key, at = scope.find(read.path), written(read.path), node.at_line(read.line)
    lacking = [name for name in scope.roots if name not in found]
    hint = f"Write {{{{ {key} | default('…') }}}}, or test it with if."
    if not lacking and str(read.path[0]).casefold() == "drift" and len(read.path) > 1:
        lacking = [name for name, root in scope.roots.items() if not root.members["drift"].always]
        if lacking:
            message = f"{joined(lacking)} {'does' if len(lacking) == 1 else 'do'} not always report drift"
            file.warning(at, f"{message}: without it, {key} fails", "Add drift IsNotNull to when, or test it with if.")
        return
    if lacking:
        file.warning(at, f"{joined(lacking)} {'has' if len(lacking) == 1 else 'have'} no {key}: the action fails", hint)
    elif missing := next((known.missing_in for known in found.values() if known.missing_in), ()):
        shown = [*missing[:3], *(["…"] if len(missing) > 3 else [])]
        label = key.removeprefix("workspace.labels.")
        file.warning(
            at, f"{joined(shown)} {'has' if len(missing) == 1 else 'have'} no label {label}: the action fails", hint
        )


def templates_of(value: object, given: frozenset[str]) -> Iterator[tuple[Template, frozenset[str]]]:
    """Every template in a handler's settings, with the names that the handler adds to the event's."""
    match value:
        case Template():
            yield value, given
        case JsonTemplate() | Url():
            yield from ((template, given) for template in value.templates)
        case BaseModel():
            more = frozenset(getattr(type(value), "template_names", ()))
            for _, inner in value:
                yield from templates_of(inner, given | more)
        case Mapping():
            for inner in value.values():
                yield from templates_of(inner, given)
        case list() | tuple() | set() | frozenset():
            for inner in value:
                yield from templates_of(inner, given)
