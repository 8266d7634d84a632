"""The button of a message: the page of what was created, has failed, or is reported."""

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from schemas import Event
from schemas.alert import Alert
from schemas.links import studio_link

if TYPE_CHECKING:
    from handlers.content.result import FollowedResult

_LONGEST = 2_000  # characters of a link
_PIPELINE_STUDIOS = {"adf.azure.com", "web.azuresynapse.net"}
_STUDIOS = {"ml.azure.com", *_PIPELINE_STUDIOS}
_LABELS = {  # by the beginning of a path in Azure ML studio
    "/runs/": "Open the run",
    "/endpoints/": "Open the endpoint",
    "/endpoints": "Open the endpoints",
    "/model/": "Open the model",
    "/monitoring": "Open model monitoring",
}


class Button(NamedTuple):
    """A label and a link."""

    label: str
    url: str


def is_studio_link(url: str) -> bool:
    """Is it a link to a page of Azure ML's, Data Factory's or Synapse's studio?"""
    return is_link(url) and urlsplit(url).netloc in _STUDIOS


def is_link(url: str) -> bool:
    """Is it a web address that a message can link to?"""
    if not url.startswith("https://") or len(url) > _LONGEST or not url.isprintable() or " " in url:
        return False
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


def button_of(event: Event, result: "FollowedResult | None") -> Button | None:
    """The button for an event, or for the result that the rule follows; None if nothing has a page."""
    url = (result.link if result else "") or _page(event) or ""
    if not is_link(url):
        return None
    return Button("Open the run of the monitor" if event.drift and url == event.studio_url else _label(url), url)


def _page(event: Event) -> str | None:
    """The page of the event's object. That of a model monitor is the list of monitors: its event has no other name."""
    if isinstance(event, Alert):
        return None
    if event.drift and event.drift.signal:
        return studio_link(event.workspace, "monitoring")
    return event.studio_url


def _label(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc in _PIPELINE_STUDIOS:
        return "Open the pipeline run"
    if parts.netloc != "ml.azure.com":
        return f"Open {parts.hostname}"
    return next((label for path, label in _LABELS.items() if parts.path.startswith(path)), "Open Azure ML studio")
