"""What a message says about this app: its name, and its page about an event."""

import os
import re
import socket
from collections.abc import Mapping
from urllib.parse import urlencode

from handlers.content.button import Button
from schemas import Event
from schemas.alert import Alert

_HOST = re.compile(r"[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+")


def app_name(environment: Mapping[str, str] = os.environ) -> str:
    """The name of this function app, with its deployment slot unless that is Production; else the host's."""
    site, slot = environment.get("WEBSITE_SITE_NAME", ""), environment.get("WEBSITE_SLOT_NAME", "")
    if not site:
        return environment.get("WEBSITE_HOSTNAME") or socket.gethostname()
    return f"{site}-{slot}" if slot and slot.lower() != "production" else site


def history_button(event: Event, environment: Mapping[str, str] = os.environ) -> Button | None:
    """The button for the app's page about an event, or, for an alert, about the app (docs/history.md).

    None unless people sign in there: a link for ``MLEVENTS_WEB=key`` would need the key, which no message may have.
    """
    host = environment.get("WEBSITE_HOSTNAME", "")
    if environment.get("MLEVENTS_WEB", "").casefold() != "entra" or not _HOST.fullmatch(host):
        return None
    page = f"https://{host}/api/web"
    if isinstance(event, Alert):
        return Button("Open the app's page", page)
    return Button("What the app did", f"{page}/find?{urlencode({'name': event.id})}")
