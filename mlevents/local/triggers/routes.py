"""Routes of HTTP functions: templates of ASP.NET Core, as the host maps them.

A template is literal text and parameters: ``web/{page}``, ``{day:datetime?}``, ``{*rest}``. Case does not matter in
literal text. Routes are tried in the order of the functions, and the first that matches is called. A method that a
function does not take is a 404, as for an unknown path (Azure/azure-functions-host, WebScriptHostHttpRoutesManager.cs:
the methods are a constraint of the route; Azure/azure-webjobs-sdk-extensions, WebJobsRouteBuilder.cs).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from mlevents.local.host.functions import Function

_RESERVED = ("admin", "runtime")  # ScriptHost.cs, ValidateHttpFunction
_PARAMETER = re.compile(r"\{(\*{0,2})([A-Za-z_][A-Za-z0-9_]*)((?::[A-Za-z]+(?:\([^{}]*\))?)*)(=[^{}?]*)?(\?)?\}")
_CONSTRAINT = re.compile(r":([^:(]+(?:\(.*?\))?)")
_CONSTRAINTS = {  # learn.microsoft.com, "Routing in ASP.NET Core", Route constraints
    "int": r"-?[0-9]{1,10}",
    "long": r"-?[0-9]{1,19}",
    "bool": r"(?:true|false)",
    "alpha": r"[A-Za-z]+",
    "guid": r"\{?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\}?",
}


@dataclass(frozen=True, slots=True)
class Route:
    """The route of one HTTP function. `pattern` matches the path after its first "/". No `methods` stands for all."""

    function: Function
    path: str  # with its prefix: "api/web/{page}"
    pattern: re.Pattern[str]
    defaults: Mapping[str, str]
    methods: frozenset[str] = frozenset()

    @classmethod
    def of(cls, function: Function, prefix: str) -> Self:
        """The route of an HTTP function. Raises ValueError if the host refuses it, or this one does not know it."""
        template = str(function.trigger.get("route") or function.name).strip("/")
        if template.lower().startswith(_RESERVED):
            raise ValueError(f"its route {template!r} begins like a route of the host: admin and runtime are reserved")
        path = f"{prefix.strip('/')}/{template}".lstrip("/")
        defaults: dict[str, str] = {}
        pattern = "".join(_segment(segment, path, defaults) for segment in path.split("/"))
        methods = frozenset(str(method).upper() for method in function.trigger.get("methods") or ())
        try:
            compiled = re.compile(pattern.removeprefix("/"), re.IGNORECASE)
        except re.error as error:  # a name used twice, or the user's own regular expression
            raise ValueError(f"its route {path!r} is not a route template: {error.msg}") from error
        return cls(function, path, compiled, defaults, methods)

    def parameters(self, method: str, path: str) -> dict[str, str] | None:
        """The parameters in the path of a request; None if the route does not take it. `path` is percent-encoded."""
        if self.methods and method not in self.methods:
            return None
        found = self.pattern.fullmatch(path.strip("/"))
        if found is None:
            return None
        return {**self.defaults, **{name: unquote(value) for name, value in found.groupdict().items() if value}}

    def conflicts(self, other: "Route") -> bool:
        """Have the routes the same template and a method in common? The host refuses the later one."""
        same = self.path.casefold() == other.path.casefold()
        return same and (not self.methods or not other.methods or bool(self.methods & other.methods))


def routes(functions: Iterable[Function], prefix: str) -> tuple[list[Route], list[str]]:
    """The routes of the HTTP functions, and why the others have none."""
    found: list[Route] = []
    problems = []
    for function in functions:
        if function.kind != "httptrigger":
            continue
        try:
            route = Route.of(function, prefix)
            for other in found:
                if route.conflicts(other):
                    raise ValueError(f"its route {route.path!r} is also the route of {other.function.name}")
        except ValueError as error:
            problems.append(f"{function.name} is not served: {error}")
        else:
            found.append(route)
    return found, problems


def _segment(segment: str, path: str, defaults: dict[str, str]) -> str:
    """The pattern of one segment with the "/" before it. Raises ValueError."""
    pattern, at, optional = "", 0, False
    for parameter in _PARAMETER.finditer(segment):
        stars, name, constraints, default, question = parameter.groups()
        pattern += _literal(segment[at : parameter.start()], path)
        value = ".*" if stars else "[^/]+"
        checks = "".join(
            f"(?={_constraint(each, path)}(?:/|$))" for each in re.findall(r":([^:(]+(?:\(.*?\))?)", constraints)
        )
        pattern += f"{checks}(?P<{name}>{value})"
        if default:
            defaults[name] = default[1:]
        optional = optional or bool(stars or default or question)
        at = parameter.end()
    pattern += _literal(segment[at:], path)
    return f"(?:/{pattern})?" if optional else f"/{pattern}"


def _literal(text: str, path: str) -> str:
    if "{" in text or "}" in text:
        raise ValueError(f"its route {path!r} is not a route template; a parameter is written {{name}}")
    return re.escape(text)


def _constraint(text: str, path: str) -> str:
    name, _, argument = text.partition("(")
    if name == "regex":
        return argument.removesuffix(")").removeprefix("^").removesuffix("$")
    if name not in _CONSTRAINTS:
        known = ", ".join([*_CONSTRAINTS, "regex"])
        raise ValueError(f"its route {path!r} has the constraint {name}; this host knows {known}")
    return _CONSTRAINTS[name]
