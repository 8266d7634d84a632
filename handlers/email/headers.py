"""The headers by which mail programs thread and filter mails.

* ``In-Reply-To`` and ``References`` name the thread of the event's object. No mail has this Message-ID: a thread may
  begin with a message that is missing (RFC 5322, section 3.6.4; jwz.org, "message threading").
* ``List-Id`` names the rule and the app (RFC 2919), and ``X-AzureML-...`` what the mail is about.
* ``Auto-Submitted`` (RFC 3834) and ``X-Auto-Response-Suppress`` (MS-OXCMAIL, section 2.2.3.2.14) suppress automatic
  replies.
"""

import re
from hashlib import sha256

from handlers.base import Action
from handlers.content.app import app_name
from handlers.email.text import header
from schemas import Event

_LIMIT = 200  # characters of a value
_LABEL = 60  # characters of the rule and of the app in a List-Id, which has at most 255


def headers_of(event: Event, action: Action, domain: str) -> dict[str, str]:
    """The headers of a mail by name: one line each, bounded, and without encoded words. `domain` is the sender's."""
    workspace, result = event.added("workspace"), event.added("result") or {}
    thread = _thread_id(event, domain)
    values = {
        "In-Reply-To": thread,
        "References": thread,
        "List-Id": f"<{_label(action.rule)}.{_label(app_name())}.{domain}>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "OOF, AutoReply",
        "X-AzureML-App": app_name(),
        "X-AzureML-Rule": action.rule.lstrip("-"),
        "X-AzureML-Event-Type": event.event_type.rpartition(".")[2],
        "X-AzureML-Workspace": workspace["name"],
        "X-AzureML-Labels": ", ".join(f"{name}={value}" for name, value in workspace["labels"].items()),
        "X-AzureML-Object": event.about,
        "X-AzureML-Outcome": result.get("status", ""),
    }
    return {name: line for name, value in values.items() if (line := header(value, _LIMIT))}


def _thread_id(event: Event, domain: str) -> str:
    """A Message-ID that all mails about one object share; the object is hashed, because any text may name it."""
    key = "\n".join([*event.resource.key, event.about])
    return f"<thread-{sha256(key.encode(errors='replace')).hexdigest()[:32]}@{domain}>"


def _label(text: str) -> str:
    """A text as a label of a List-Id: letters, digits and hyphens."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:_LABEL] or "app"
