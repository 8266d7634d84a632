"""What a message says about this app: its name, and its page about an event."""

import os
import re
import socket
from collections.abc import Mapping
from urllib.parse import urlencode

from schemas import Event

_HOST = re.compile(r"[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+")


def app_name(environment: Mapping[str, str] = os.environ) -> str:
    """The name of this function app, with its deployment slot unless that is Production; else the host's."""
    site, slot = environment.get("WEBSITE_SITE_NAME", ""), environment.get("WEBSITE_SLOT_NAME", "")
    if not site:
        return environment.get("WEBSITE_HOSTNAME") or socket.gethostname()
    return f"{site}-{slot}" if slot and slot.lower() != "production" else site


def history_page(event: Event, environment: Mapping[str, str] = os.environ) -> str:
    """The link to the app's page about an event (docs/history.md); empty if nobody could open it.

    With ``MLEVENTS_WEB=key``, a link would need the function's key, which no message may have.
    """
    host = environment.get("WEBSITE_HOSTNAME", "")
    if environment.get("MLEVENTS_WEB", "").casefold() != "entra" or not _HOST.fullmatch(host):
        return ""
    return f"https://{host}/api/web/find?{urlencode({'name': event.id})}"
