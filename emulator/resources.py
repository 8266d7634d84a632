"""Resources of other providers, as far as the tool reads and creates them: groups, function apps, Event Grid, roles.

learn.microsoft.com/rest/api: "Resource Groups", "Web Apps - List Application Settings", "- List Functions", "- Get App
Settings Key Vault References", "Role Assignments - List For Scope", and Event Grid's "Topics", "System Topics" and
their event subscriptions. A topic accepts events with its key ("Authenticate publishing clients with Event Grid using
access keys") and delivers them to the URL that gets Azure ML's events, if it has an event subscription.
"""

from uuid import uuid4

from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import Plane, Route
from emulator.state.ids import WORKSPACE_SCOPE
from emulator.state.state import Body, Resource

SUBSCRIPTIONS = frozenset({"2020-01-01", "2022-12-01"})
GROUPS = frozenset({"2021-04-01", "2022-09-01", "2024-03-01", "2025-04-01"})
WEB = frozenset({"2023-12-01", "2024-04-01", "2024-11-01"})
EVENT_GRID = frozenset({"2022-06-15", "2025-02-15"})
AUTHORIZATION = frozenset({"2022-04-01"})
STORAGE = frozenset({"2023-05-01", "2024-01-01"})
SETTINGS, KEY = "settings", "key"  # in `Resource.hidden`: JSON of app settings, and a topic's key

_SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = f"{_SUBSCRIPTION}/resourceGroups/{{group}}"
SITE = f"{GROUP}/providers/Microsoft.Web/sites/{{site}}"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{{account}}"
FACTORY = f"{GROUP}/providers/Microsoft.DataFactory/factories/{{factory}}"
_GRID = "providers/Microsoft.EventGrid"
TOPIC, SYSTEM_TOPIC = f"{GROUP}/{_GRID}/topics/{{topic}}", f"{GROUP}/{_GRID}/systemTopics/{{topic}}"
_PUBLISH = "/topics/{topic}/api/events"


def _get(request: Request) -> Response:
    return Response(200, request.state.read(request.id))


def _subscriptions(request: Request) -> Response:
    ids = sorted({resource.id.split("/")[2] for resource in request.state.all()})
    return Response(200, {"value": [{"subscriptionId": id} for id in ids]})


def _put(request: Request) -> Response:
    """Create or replace. What the service creates by itself is not the body's: a topic's endpoint and key."""
    body: Body = dict(request.json())
    existing = request.state.find(request.id)
    found = request.state.replace(request.id, body) if existing else request.state.add(request.id, body)
    found.properties["provisioningState"] = "Succeeded"
    return Response(200 if existing else 201, found.body)


def _put_topic(request: Request) -> Response:
    request.state.require(GROUP.format_map(request.params))
    response = _put(request)
    topic = request.state.require(request.id)
    topic.properties["endpoint"] = f"{request.state.url}/topics/{request.params['topic']}/api/events"
    topic.hidden.setdefault(KEY, uuid4().hex)
    return response


def _put_subscription(request: Request) -> Response:
    request.state.require(TOPIC.format_map(request.params))
    return _put(request)


def _delete(request: Request) -> Response:
    request.state.require(request.id)
    request.state.remove(request.id)
    return Response(202, None, {"Location": f"{request.state.url}/operationresults/{uuid4().hex}"})


def _keys(request: Request) -> Response:
    key = request.state.require(request.id).hidden[KEY]
    return Response(200, {"key1": key, "key2": key})


def _settings(request: Request) -> Response:
    site = request.state.require(request.id)
    return Response(200, {"id": f"{site.id}/config/appsettings", "properties": site.body["properties"][SETTINGS]})


def _functions(request: Request) -> Response:
    site = request.state.require(SITE.format_map(request.params))
    return request.page(request.state.children(site.id, "functions"))


def _authentication(request: Request) -> Response:
    site = request.state.require(SITE.format_map(request.params))
    return Response(200, {"name": "authsettingsV2", "properties": site.properties.get("authentication", {})})


def _references(request: Request) -> Response:
    site = request.state.require(SITE.format_map(request.params))
    found = site.properties.get("references", {})
    return Response(200, {"value": [{"name": name, "properties": about} for name, about in found.items()]})


def _system_topics(request: Request) -> Response:
    prefix = _SUBSCRIPTION.format_map(request.params).lower() + "/"
    state = request.state
    topics = [r for r in state.all() if "/systemtopics/" in r.id.lower() and r.id.count("/") == 8]
    return request.page(topic for topic in topics if topic.id.lower().startswith(prefix))


def _of_topic(request: Request) -> Response:
    return request.page(request.state.children(SYSTEM_TOPIC.format_map(request.params), "eventSubscriptions"))


def _of_workspace(request: Request) -> Response:
    scope = f"{WORKSPACE_SCOPE.format_map(request.params)}/{_GRID}"
    return request.page(request.state.children(scope, "eventSubscriptions"))


def _assignments(request: Request) -> Response:
    """The role assignments at a scope and above it."""
    scope = request.path.lower().partition("/providers/microsoft.authorization/")[0]
    principal = request.query.get("$filter", "").partition("'")[2].rstrip("')").lower()

    def applies(each: Resource) -> bool:
        at, _, name = each.id.lower().partition("/providers/microsoft.authorization/roleassignments/")
        if not name or not f"{scope}/".startswith(f"{at}/"):
            return False
        return str(each.properties["principalId"]).lower() == principal

    return request.page(each for each in request.state.all() if applies(each))


def _publish(request: Request) -> Response:
    """Accept events with a topic's key, and deliver them if the topic has an event subscription."""
    state, name = request.state, request.params["topic"].lower()
    topic = next((r for r in state.all() if r.id.lower().endswith(f"/topics/{name}") and KEY in r.hidden), None)
    if topic is None or request.headers.get("aeg-sas-key") != topic.hidden[KEY]:
        raise ErrorResponse(401, "Unauthorized", "The request authorization key is not authorized for this topic.")
    events = request.json()
    if state.children(topic.id, "eventSubscriptions"):
        for event in events if isinstance(events, list) else [events]:
            state.raise_event(event)
    return Response(200, None)


ROUTES = (
    Route("GET", "/subscriptions", _subscriptions, SUBSCRIPTIONS),
    *(Route(method, GROUP, call, GROUPS) for method, call in (("GET", _get), ("PUT", _put), ("DELETE", _delete))),
    Route("GET", SITE, _get, WEB),
    Route("POST", SITE, _settings, WEB, action="config/appsettings/list"),
    Route("GET", f"{SITE}/functions", _functions, WEB),
    Route("GET", f"{SITE}/config/configreferences/appsettings", _references, WEB),
    Route("GET", f"{SITE}/config/authsettingsV2", _authentication, WEB),
    Route("GET", ACCOUNT, _get, STORAGE),
    Route("GET", TOPIC, _get, EVENT_GRID),
    Route("PUT", TOPIC, _put_topic, EVENT_GRID),
    Route("POST", TOPIC, _keys, EVENT_GRID, action="listKeys"),
    Route("GET", f"{TOPIC}/eventSubscriptions/{{name}}", _get, EVENT_GRID),
    Route("PUT", f"{TOPIC}/eventSubscriptions/{{name}}", _put_subscription, EVENT_GRID),
    Route("GET", f"{_SUBSCRIPTION}/{_GRID}/systemTopics", _system_topics, EVENT_GRID),
    Route("GET", f"{SYSTEM_TOPIC}/eventSubscriptions", _of_topic, EVENT_GRID),
    Route("GET", f"{WORKSPACE_SCOPE}/{_GRID}/eventSubscriptions", _of_workspace, EVENT_GRID),
    *(
        Route("GET", f"{scope}/providers/Microsoft.Authorization/roleAssignments", _assignments, AUTHORIZATION)
        for scope in (WORKSPACE_SCOPE, ACCOUNT, FACTORY, GROUP)
    ),
    Route("POST", _PUBLISH, _publish, frozenset(), Plane.OWN),
)
