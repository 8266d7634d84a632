"""`fetch`: ask Azure's services, by REST, for the facts about an event's object.

parts.py       reads parts at the same time, until a deadline; each part fails alone
reader.py      requests with a deadline and a largest size, and their errors in words
tokens.py      remembers on a machine of a developer that there is no token
values.py      reads values of unknown types: what a service sends is not trusted to have its documented form
runs.py        a run; run_errors.py, steps.py, logs.py, metrics.py, computes.py: parts of it
models.py      a model version
endpoints.py   an endpoint
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

from handlers.azure.facts.endpoints import endpoint_facts
from handlers.azure.facts.models import model_facts
from handlers.azure.facts.parts import Deadline, NotRead, Parts
from handlers.azure.facts.reader import NotFound, NotPermitted, Reader
from handlers.azure.facts.runs import run_facts
from handlers.azure.ml.workspace import connect
from handlers.base import TEXT_LIMIT, shorten
from handlers.errors import PROPAGATION
from schemas import Event, WorkspaceId
from schemas.events.run import RunEvent
from schemas.facts import FACTS, Facts, RunFacts

_Read: TypeAlias = Callable[[Reader, Parts, tuple[str, ...]], Facts]
_READS: dict[str, _Read] = {"run": run_facts, "model": model_facts, "endpoint": endpoint_facts}


def fetch(event: Event, name: str, within: float) -> Facts:
    """The facts of this name (`schemas.facts.FACTS`) about the object that `event.fact_id(name)` identifies.

    Takes at most `within` seconds. Raises nothing: what cannot be read is in `unavailable` or `missing`, with the
    reason in words for people, and `transient` says whether to ask again. Texts are as the service has them, without
    control characters and of bounded length; the caller masks secrets in them.
    """
    kind = FACTS[name]
    try:
        return _fetch(event, name, within)
    except NotFound as error:
        return kind.without(shorten(str(error)), transient=_may_appear(event))
    except NotRead as error:
        # Not kept if a role is missing: a replay after its assignment shall have the facts.
        transient = error.transient or isinstance(error, NotPermitted)
        return kind.without(shorten(str(error)), transient=transient)
    except Exception as error:  # such as an invalid setting: an action must not fail because of it
        return kind.without(shorten(f"{type(error).__name__}: {error}", TEXT_LIMIT), transient=True)


def _may_appear(event: Event) -> bool:
    """Is the event so young that not every replica of the service may know its object yet?"""
    return event.event_time is None or datetime.now(UTC) - event.event_time < PROPAGATION


def _fetch(event: Event, name: str, within: float) -> Facts:
    resource, id = event.resource, event.fact_id(name)
    if not id or not all(id):
        raise NotRead("the event does not name it", transient=False)
    if not isinstance(resource, WorkspaceId):
        raise NotRead(f"{resource.name} is no workspace", transient=False)
    deadline = Deadline.after(within)
    parts = Parts(deadline)
    found = _READS[name](Reader(connect(resource), deadline), parts, id)
    if isinstance(found, RunFacts) and isinstance(event, RunEvent) and not found.experiment:
        return found.model_copy(update={"experiment": event.data.experiment_name})  # run history has its id only
    return found
