"""Templates of routes: which paths they take, and with which parameters."""

from typing import Any

import pytest

from mlevents.local.host.functions import Function
from mlevents.local.triggers.routes import Route, routes


def function(name: str = "page", **trigger: Any) -> Function:
    return Function(name, f"{name}-id", {"type": "httpTrigger", "name": "req", **trigger})


def parameters(template: str, path: str, prefix: str = "api") -> dict[str, str] | None:
    return Route.of(function(route=template), prefix).parameters("GET", path)


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("web", "/api/web", {}),
        ("web", "/API/Web/", {}),
        ("web", "/api/web/more", None),
        ("/web/", "/api/web", {}),
        ("web/{page}", "/api/web/a%20b", {"page": "a b"}),
        ("web/{page}", "/api/web", None),
        ("web/{page?}", "/api/web", {}),
        ("web/{page=home}", "/api/web", {"page": "home"}),
        ("web/{page=home}", "/api/web/events", {"page": "events"}),
        ("web/{*rest}", "/api/web/a/b", {"rest": "a/b"}),
        ("web/{*rest}", "/api/web", {}),
        ("web/{**rest}", "/api/web/a/b", {"rest": "a/b"}),
        ("{kind}-{id}", "/api/run-7", {"kind": "run", "id": "7"}),
        ("v/{n:int}", "/api/v/-3", {"n": "-3"}),
        ("v/{n:int}", "/api/v/3a", None),
        ("v/{on:bool}", "/api/v/True", {"on": "True"}),
        ("v/{name:alpha}", "/api/v/a1", None),
        ("v/{id:guid}", "/api/v/11111111-1111-1111-1111-111111111111", {"id": "11111111-1111-1111-1111-111111111111"}),
        ("v/{day:regex(^[0-9][0-9]$)}", "/api/v/22", {"day": "22"}),
        ("v/{day:regex(^[0-9][0-9]$)}", "/api/v/2", None),
        ("a.b", "/api/axb", None),
    ],
)
def test_route_takes_a_path(template: str, path: str, expected: dict[str, str] | None) -> None:
    assert parameters(template, path) == expected


@pytest.mark.parametrize(("prefix", "path"), [("", "/web"), ("my/app", "/my/app/web")])
def test_route_has_the_prefix_of_host_json(prefix: str, path: str) -> None:
    assert parameters("web", path, prefix) == {}


def test_route_without_a_template_has_the_function_s_name() -> None:
    assert Route.of(function("page"), "api").path == "api/page"


def test_route_takes_only_its_methods() -> None:
    route = Route.of(function(methods=["get", "POST"]), "api")
    assert [route.parameters(method, "/api/page") for method in ("GET", "POST", "PUT")] == [{}, {}, None]


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("admin/x", "its route 'admin/x' begins like a route of the host: admin and runtime are reserved"),
        ("Runtime", "its route 'Runtime' begins like a route of the host: admin and runtime are reserved"),
        ("web/{page", "its route 'api/web/{page' is not a route template; a parameter is written {name}"),
        ("{a}/{a}", "its route 'api/{a}/{a}' is not a route template: redefinition of group name 'a'"),
        ("{a:regex((b+)}", "its route 'api/{a:regex((b+)}' is not a route template: missing ), unterminated"),
        ("{a:datetime}", "its route 'api/{a:datetime}' has the constraint datetime; this host knows int, long, bool, "),
    ],
)
def test_route_that_cannot_be_served_is_reported(template: str, reason: str) -> None:
    found, problems = routes([function(route=template)], "api")
    assert not found
    assert problems[0].startswith(f"page is not served: {reason}")


def test_two_functions_can_share_a_route_with_different_methods() -> None:
    read, write = function("read", route="x", methods=["GET"]), function("write", route="X", methods=["POST"])
    found, problems = routes([read, write, function("any", route="x")], "api")
    assert [route.function for route in found] == [read, write]
    assert problems == ["any is not served: its route 'api/x' is also the route of read"]


def test_functions_with_other_triggers_have_no_route() -> None:
    assert routes([Function("sweep", "1", {"type": "timerTrigger", "name": "timer"})], "api") == ([], [])
