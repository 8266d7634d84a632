"""Who may look at the pages.

    on one machine          everybody who reaches it by its loopback address
    MLEVENTS_WEB is entra   those whom App Service Authentication has signed in with Microsoft Entra ID
    MLEVENTS_WEB is key     those who have a key of the function, which the host checks: see `function_app.web`
    otherwise               nobody

Who may change something: on one machine everybody, and with Entra ID those whom MLEVENTS_WEB_OPERATORS lists.

App Service removes the headers ``X-MS-CLIENT-PRINCIPAL…`` from what a client sends, and sets them itself, where its
authentication is on, which WEBSITE_AUTH_ENABLED says (learn.microsoft.com, "Work with user identities in Azure App
Service authentication"). Where it is off, anybody can send them, so they count for nothing.
"""

import logging
import re
from base64 import b64decode
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from dispatch.log import log_event
from dispatch.replay.who import user
from dispatch.settings import Environment
from handlers.base import shorten
from schemas.errors import printable
from web.exchange import LOOPBACK, Request, Response, json_object, not_found

SETTING, READERS, OPERATORS = "MLEVENTS_WEB", "MLEVENTS_WEB_READERS", "MLEVENTS_WEB_OPERATORS"

# Claims with the groups and app roles of a user: in tokens, and as App Service maps them.
_ROLES = {"groups", "roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"}
_OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
_NAME = 100  # characters of a name


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who may look."""

    name: str = ""  # as Entra ID knows them; empty if nobody has signed in
    operator: str = ""  # the name that is recorded with what they change; empty if they may only look


def admitted(request: Request, settings: Environment) -> Viewer | Response:
    """The viewer, or the response for one who may not look."""
    local = settings.raw("AZURE_FUNCTIONS_ENVIRONMENT").casefold() == "development"
    if local:  # the host of a developer's machine checks no keys, and no platform is in front of it
        return Viewer(operator=user()) if _is_loopback(request, settings) else not_found()
    match settings.raw(SETTING).casefold():
        case "":
            return not_found()
        case "key":
            return Viewer()
        case "entra":
            return _signed_in(request, settings)
    return _closed(f"{SETTING} is {settings.raw(SETTING)!r}; write entra or key")


def _is_loopback(request: Request, settings: Environment) -> bool:
    """Is this the host of one machine, and was it asked for by that name? Other names may be a web site's."""
    name = urlsplit(f"//{settings.raw('WEBSITE_HOSTNAME')}").hostname
    return not settings.raw("WEBSITE_INSTANCE_ID") and name in LOOPBACK and request.host in LOOPBACK


def _signed_in(request: Request, settings: Environment) -> Viewer | Response:
    if settings.raw("WEBSITE_AUTH_ENABLED").casefold() != "true":
        return _closed(f"{SETTING} is entra, and App Service Authentication is off: see docs/history.md")
    header = request.headers.get("x-ms-client-principal", "")
    if not header:
        after = urlencode({"post_login_redirect_uri": "/" + urlsplit(request.url).path.lstrip("/")})
        return Response("", 302, headers={"Location": f"/.auth/login/aad?{after}"})
    try:
        principal = json_object(b64decode(header, validate=True))
        claims = [(str(claim["typ"]), str(claim["val"])) for claim in principal["claims"]]
    except (LookupError, TypeError, ValueError):
        return not_found()
    if principal.get("auth_typ") != "aad":
        return _refused("You have signed in with another provider than Microsoft Entra ID.")
    types = _ROLES | {str(principal.get("role_typ") or "roles")}
    theirs = {value.casefold() for type, value in claims if type in types}
    readers, operates = _listed(settings, READERS), bool(_listed(settings, OPERATORS) & theirs)
    if settings.raw(READERS).strip() and not readers:
        return _closed(f"{READERS} lists nobody; remove it, or list object ids of groups or values of app roles")
    if readers and not (operates or readers & theirs):
        return _refused(f"You are in none of the groups and app roles that the app setting {READERS} lists.")
    name = request.headers.get("x-ms-client-principal-name", "") or dict(claims).get(_OBJECT_ID, "")
    name = shorten(printable(name), _NAME)
    return Viewer(name, name if operates else "")


def _listed(settings: Environment, name: str) -> set[str]:
    return {word.casefold() for word in re.split(r"[\s,;]+", settings.raw(name)) if word}


def _refused(reason: str) -> Response:
    return Response(f"{reason}\n", 403, "text/plain; charset=utf-8")


def _closed(reason: str) -> Response:
    log_event("web.closed", logging.WARNING, reason=reason)
    return not_found()
