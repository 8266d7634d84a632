"""Read the event subscriptions of workspaces from Resource Manager.

Sources: learn.microsoft.com/rest/api/eventgrid, "System Topics - List By Subscription", "System Topic Event
Subscriptions - List By System Topic" and "Event Subscriptions - List By Resource".
"""

import json
import logging
from collections.abc import Iterable
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from handlers.azure.arm import Arm
from handlers.azure.cloud import arm_endpoint
from handlers.azure.credential import credential
from handlers.azure.errors import describe
from handlers.azure.transport import Transport
from handlers.base import GiveUp, RetryLater
from mlevents.subscriptions.deployment import EVENT_GRID_VERSION
from schemas import ResourceId

_PROVIDER = "/providers/Microsoft.EventGrid"


class Unavailable(Exception):  # noqa: N818 - it says what is so
    """Resource Manager does not list the subscriptions; the message says why, and what to do."""


def read_live(workspaces: Iterable[ResourceId]) -> str:
    """The system topics of the workspaces and their event subscriptions, as JSON. Raises Unavailable.

    It logs in as `az login` did. Subscriptions that were created at a workspace itself are listed there.
    """
    workspaces = list(workspaces)
    logging.getLogger("azure").addHandler(logging.NullHandler())  # what it logs is in the errors, too
    try:
        arm = Arm(arm_endpoint(), credential(), Transport(), EVENT_GRID_VERSION)
        found: list[Any] = []
        for subscription in dict.fromkeys(each.subscription for each in workspaces):
            here = [each for each in workspaces if each.subscription == subscription]
            for topic in arm.items(f"/subscriptions/{subscription}{_PROVIDER}/systemTopics"):
                if _source(topic) in {each.text.lower().rstrip("/") for each in here}:
                    found += [topic, *arm.items(f"{topic['id']}/eventSubscriptions")]
        for workspace in workspaces:
            found += arm.items(f"{workspace.text.rstrip('/')}{_PROVIDER}/eventSubscriptions")
    except (AzureError, GiveUp, RetryLater, ValueError) as error:
        raise Unavailable(_advice(error)) from error
    return json.dumps(found)


def _source(topic: Any) -> str:
    return str((topic.get("properties") or {}).get("source") or "").lower().rstrip("/")


def _advice(error: Exception) -> str:
    text, cause = describe(error), error if isinstance(error, HttpResponseError) else error.__cause__
    status = cause.status_code if isinstance(cause, HttpResponseError) else None
    if isinstance(error, ClientAuthenticationError) and status is None:
        return "there is no login to Azure: run `az login`"
    if status == 401:
        return f"Resource Manager does not know you: {text}. Log in again with `az login`"
    if status == 403:
        return (
            f"Resource Manager refuses you: {text}. Your login needs the role Reader on the workspaces' subscriptions"
        )
    return f"Resource Manager cannot be read: {text}"
