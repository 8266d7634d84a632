"""A deployed function app as Resource Manager has it: its state, version of Python, settings, functions and identity.

Sources: learn.microsoft.com/rest/api/appservice, "Web Apps - Get", "- List Application Settings", "- List Functions",
"- Get App Settings Key Vault References", "- Get Auth Settings V2 Without Secrets".
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError

from handlers.azure.arm import Arm
from handlers.azure.cloud import arm_endpoint
from handlers.azure.credential import credential
from handlers.azure.errors import describe
from handlers.azure.transport import Transport
from handlers.base import GiveUp, RetryLater
from mlevents.doctor.diagnosis import Diagnoses, Group

VERSION, SUBSCRIPTIONS_VERSION = "2024-11-01", "2022-12-01"
FAILURES = (AzureError, GiveUp, RetryLater, ValueError)

_GROUP = Group("function app")
_ID = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Web/sites/[^/]+", re.IGNORECASE)


class NotFound(Exception):  # noqa: N818 - it says what is so
    """There is no such function app, or Resource Manager does not show it; the message says what to do."""


@dataclass(frozen=True, slots=True)
class FunctionApp:
    """What Resource Manager shows of it. A part that may not be read is None."""

    id: str
    site: Mapping[str, Any]
    settings: Mapping[str, str] | None = None
    functions: frozenset[str] | None = None
    references: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # to Key Vaults, by setting
    authentication: Mapping[str, Any] = field(default_factory=dict)  # of App Service, in its second version
    unread: tuple[str, ...] = ()  # which parts could not be read, and why

    @property
    def name(self) -> str:
        """Its name."""
        return self.id.rpartition("/")[2]

    @property
    def group(self) -> str:
        """The ARM id of its resource group."""
        return self.id.partition("/providers/")[0]

    @property
    def properties(self) -> Mapping[str, Any]:
        """Those of the site."""
        found = self.site.get("properties")
        return found if isinstance(found, dict) else {}

    @property
    def python(self) -> tuple[int, int] | None:
        """The version of Python that it runs; None if it is not said as on Flex Consumption."""
        runtime = (self.properties.get("functionAppConfig") or {}).get("runtime") or {}
        found = re.fullmatch(r"(\d+)\.(\d+)", str(runtime.get("version", "")))
        return (int(found[1]), int(found[2])) if found else None

    @property
    def principals(self) -> dict[str, str]:
        """The object ids of its identities, by client id; that of the system-assigned one by an empty text."""
        identity = self.site.get("identity") or {}
        found = {"": str(identity["principalId"])} if identity.get("principalId") else {}
        for each in (identity.get("userAssignedIdentities") or {}).values():
            found[str(each.get("clientId", "")).lower()] = str(each.get("principalId", ""))
        return found


def client(version: str) -> Arm:
    """Resource Manager, with the login of `az login` or of a workflow. Raises ValueError for an invalid setting."""
    logging.getLogger("azure").addHandler(logging.NullHandler())  # what it logs is in the errors, too
    return Arm(arm_endpoint(), credential(), Transport(), version)


def read(name: str, group: str, subscriptions: list[str]) -> FunctionApp:
    """Read a function app by its ARM id, or by its name and resource group in one of these Azure subscriptions.

    Raises NotFound.
    """
    arm = client(VERSION)
    try:
        for id in [name] if _ID.fullmatch(name) else _candidates(name, group, subscriptions):
            if site := arm.get(id):
                return _whole(arm, str(site.get("id") or id), site)
    except FAILURES as error:
        raise NotFound(f"Resource Manager does not show {name}: {describe_failure(error)}") from error
    raise NotFound(f"there is no function app {name} in the resource group {group}, in what your login may see")


def _candidates(name: str, group: str, subscriptions: list[str]) -> Iterator[str]:
    """Its ids in the workspaces' Azure subscriptions, then in all others that the login may see."""
    rest = f"resourceGroups/{group}/providers/Microsoft.Web/sites/{name}"
    yield from (f"/subscriptions/{each}/{rest}" for each in subscriptions)
    for found in client(SUBSCRIPTIONS_VERSION).items("/subscriptions"):
        if found["subscriptionId"] not in subscriptions:
            yield f"/subscriptions/{found['subscriptionId']}/{rest}"


def _whole(arm: Arm, id: str, site: Mapping[str, Any]) -> FunctionApp:
    unread: list[str] = []

    def part(what: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except FAILURES as error:
            unread.append(f"{what}: {describe_failure(error)}")
            return None

    settings = part("settings", lambda: arm.post(f"{id}/config/appsettings/list").get("properties") or {})
    functions = part("functions", lambda: [*arm.items(f"{id}/functions")])
    references = part("Key Vault references", lambda: [*arm.items(f"{id}/config/configreferences/appsettings")]) or []
    authentication = part("authentication", lambda: arm.get(f"{id}/config/authsettingsV2")) or {}
    return FunctionApp(
        id,
        site,
        None if settings is None else {str(name): str(value) for name, value in settings.items()},
        None if functions is None else frozenset(str(each["name"]).rpartition("/")[2] for each in functions),
        {str(each["name"]): each.get("properties") or {} for each in references},
        authentication.get("properties") or {},
        tuple(unread),
    )


def check(app: FunctionApp, wanted: Iterable[str]) -> Diagnoses:
    """Check its state, its functions, of which it should have those that are `wanted`, and its identity."""
    for text in app.unread:
        to_do = "your login needs the role Website Contributor on the app, for settings, or Reader for the rest"
        yield _GROUP.warning(f"this could not be read: {text}", app.id, to_do)
    state = app.properties.get("state")
    if state not in (None, "Running"):
        text = f"it is {state}: Event Grid drops its events at the first 403"
        yield _GROUP.error(text, app.id, f"start it: `az functionapp start --name {app.name}`; then docs/event-grid.md")
    missing = sorted({*wanted} - app.functions) if app.functions is not None else []
    if app.functions == frozenset():
        text = "it has no functions: nothing is published, or the code cannot be loaded"
        yield _GROUP.error(text, app.id, "publish it again, and look at its log stream for an ImportError")
    elif missing:
        text = f"these functions are missing: {', '.join(missing)}"
        yield _GROUP.error(text, app.id, "publish this version: `func azure functionapp publish`")
    if not app.principals:
        text = "it has no identity: it can neither start runs nor deploy, and its storage needs a key"
        yield _GROUP.error(text, app.id, "`az functionapp identity assign`, then the roles of `mlevents roles`")
    if str(app.properties.get("publicNetworkAccess", "")).lower() == "disabled":
        text = "it has no public network access: Event Grid cannot push events to its function"
        to_do = "deliver to the queue: `mlevents subscriptions --via queue`, docs/event-grid.md"
        yield _GROUP.warning(text, app.id, to_do)
    yield from _of_authentication(app)
    if state in (None, "Running") and not missing and app.principals:
        text = f"{app.name} runs{f' Python {app.python[0]}.{app.python[1]}' if app.python else ''}"
        yield _GROUP.ok(text if app.functions is None else f"{text}, with {len(app.functions)} functions", app.id)


def _of_authentication(app: FunctionApp) -> Diagnoses:
    """App Service Authentication: the page needs it, and Event Grid must pass it without signing in."""
    is_on = bool((app.authentication.get("platform") or {}).get("enabled"))
    validation = app.authentication.get("globalValidation") or {}
    action = validation.get("unauthenticatedClientAction", "RedirectToLoginPage")
    update = f"`az webapp auth update --ids {app.id} --enabled true --action AllowAnonymous`: docs/history.md"
    if is_on and validation.get("requireAuthentication", True) and action != "AllowAnonymous":
        text = f"App Service Authentication refuses who has not signed in ({action}): Event Grid, and so each event"
        yield _GROUP.error(text, app.id, update)
    named = {name.upper(): value for name, value in (app.settings or {}).items()}
    if named.get("MLEVENTS_WEB", "").casefold() == "entra" and not is_on:
        text = "MLEVENTS_WEB is entra, and App Service Authentication is off: nobody sees the page"
        yield _GROUP.error(text, app.id, update)


def describe_failure(error: Exception) -> str:
    """An error of Resource Manager in one line. azure-identity's own lists all the sources of tokens that it tried."""
    if isinstance(error, ClientAuthenticationError) and error.status_code is None:
        return "there is no login to Azure"
    return describe(error)
