"""Compare the event subscriptions that the rules need with those that are deployed.

Deployed ones are read as Resource Manager returns them, and as ``az eventgrid … list`` prints them: az writes the
members of ``properties`` one level higher.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dispatch.filters.event_filter import AdvancedFilter, EventFilter
from mlevents.subscriptions.model import ATTEMPTS, FUNCTION, MINUTES, Delivery, Plan, Subscription
from schemas import ResourceId

_TOPICS, _SUBSCRIPTIONS = (
    "/providers/microsoft.eventgrid/systemtopics/",
    "/providers/microsoft.eventgrid/eventsubscriptions/",
)


class Unreadable(Exception):  # noqa: N818 - it says what is so
    """A file has no event subscriptions that can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. `kind` is one of: missing, types, filter, destination, dead-letters, batch, retry, extra."""

    workspace: str
    subscription: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Deployed:
    """An event subscription that exists. Members that Resource Manager leaves out are empty."""

    name: str
    source: str  # the ARM id of the workspace, or of the system topic if its source is not known; in lower case
    endpoint_type: str
    endpoint: str  # ARM id, with the name of a queue at its end
    uses_identity: bool
    dead_letters: str  # ARM id and name of the container
    attempts: int | None
    minutes: int | None
    filter: EventFilter
    batch: int | None = None  # events per delivery, at most

    def is_for(self, delivery: Delivery) -> bool:
        """Does it deliver to the app: to its function, or to its queue?"""
        to_function = _is_id(self.endpoint, delivery.function_app, f"functions/{FUNCTION}")
        return to_function or _is_id(self.endpoint, delivery.storage, delivery.queue)


def read_deployed(text: str) -> list[Deployed]:
    """The subscriptions in JSON: arrays, pages with `value`, or single ones, one after another. Raises Unreadable.

    System topics among them say to which workspaces their subscriptions belong.
    """
    found = list(_objects(_documents(text)))
    topics = {
        str(each.get("id", "")).lower(): str(source).lower() for each in found if (source := _flat(each).get("source"))
    }
    return [_deployed(each, topics) for each in found if not _flat(each).get("source")]


def _documents(text: str) -> Iterator[Any]:
    decoder, at = json.JSONDecoder(), 0
    text = text.removeprefix("\ufeff").strip()
    while at < len(text):
        try:
            document, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"it is not JSON: {error}") from error
        yield document
        at = end + len(text[end:]) - len(text[end:].lstrip())


def _objects(documents: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    for document in documents:
        if isinstance(document, list):
            yield from _objects(document)
        elif isinstance(document, Mapping) and isinstance(document.get("value"), list):
            if document.get("nextLink"):
                raise Unreadable("it is one page of a list that has more: see its nextLink")
            yield from _objects(document["value"])
        elif isinstance(document, Mapping) and "name" in document:
            yield document
        else:
            raise Unreadable(f"{json.dumps(document)[:80]} is neither an event subscription nor a list of them")


def _flat(raw: object) -> dict[str, Any]:
    """An object with the members of its `properties`, as az prints them."""
    found = dict(raw) if isinstance(raw, Mapping) else {}
    properties = found.pop("properties", None)
    return {**found, **(properties if isinstance(properties, Mapping) else {})}


def _deployed(raw: Mapping[str, Any], topics: Mapping[str, str]) -> Deployed:
    flat = _flat(raw)
    with_identity = _flat(flat.get("deliveryWithResourceIdentity"))
    destination = _flat(with_identity.get("destination") or flat.get("destination"))
    dead_letters = _flat(
        _flat(flat.get("deadLetterWithResourceIdentity")).get("deadLetterDestination")
        or flat.get("deadLetterDestination")
    )
    retry = _flat(flat.get("retryPolicy"))
    names = {name: value for name, value in (flat.get("filter") or {}).items() if name in _FILTER_MEMBERS}
    names["advancedFilters"] = [_without_nulls(each) for each in names.get("advancedFilters") or []]
    try:
        filter = EventFilter.model_validate(names)
    except ValidationError as error:
        raise Unreadable(f"the filter of {raw['name']} cannot be read: {error.errors()[0]['msg']}") from error
    return Deployed(
        str(raw["name"]),
        _source(str(raw.get("id", "")), topics),
        str(destination.get("endpointType") or ""),
        "/".join(str(part) for part in (destination.get("resourceId"), destination.get("queueName")) if part),
        bool(with_identity),
        "/".join(str(part) for part in (dead_letters.get("resourceId"), dead_letters.get("blobContainerName")) if part),
        retry.get("maxDeliveryAttempts"),
        retry.get("eventTimeToLiveInMinutes"),
        filter,
        destination.get("maxEventsPerBatch"),
    )


_FILTER_MEMBERS = {info.alias or name for name, info in EventFilter.model_fields.items()}


def _without_nulls(raw: object) -> object:
    return {name: value for name, value in raw.items() if value is not None} if isinstance(raw, Mapping) else raw


def _source(id: str, topics: Mapping[str, str]) -> str:
    """The workspace of a subscription's id, else the id of its system topic."""
    lower = id.lower()
    if _SUBSCRIPTIONS in lower:
        return lower.partition(_SUBSCRIPTIONS)[0]
    topic = lower.partition("/eventsubscriptions/")[0]
    return topics.get(topic, topic).rstrip("/")


def differences(plan: Plan, deployed: Iterable[Deployed], workspaces: Mapping[str, ResourceId]) -> list[Difference]:
    """What is missing, other or too much. `workspaces` are all, by name: those without rules need no subscription."""
    by_workspace: dict[str, list[Deployed]] = {name: [] for name in workspaces}
    needed = {each.workspace: each for each in plan.subscriptions}
    ids = {id.text.lower().rstrip("/"): name for name, id in workspaces.items()}
    ids |= {_topic_id(each): each.workspace for each in plan.subscriptions}
    for each in deployed:
        if (name := ids.get(each.source)) and each not in by_workspace[name]:
            by_workspace[name].append(each)
    found: list[Difference] = []
    for name, existing in by_workspace.items():
        found += _of_workspace(name, needed.get(name), existing, plan.delivery)
    return found


def _topic_id(subscription: Subscription) -> str:
    source = subscription.source
    group = f"/subscriptions/{source.subscription}/resourcegroups/{source.resource_group}".lower()
    return f"{group}{_TOPICS}{subscription.topic.lower()}"


def _of_workspace(
    workspace: str, needed: Subscription | None, existing: list[Deployed], delivery: Delivery
) -> Iterator[Difference]:
    ours = [each for each in existing if each.is_for(delivery)]
    if needed is None:
        for each in ours:
            yield Difference(workspace, each.name, "extra", "no rule acts on events of this workspace")
        return
    same = [each for each in existing if each.name.lower() == needed.name.lower()]
    right = [each for each in ours if (each.endpoint_type == "StorageQueue") == (delivery.via == "queue")]
    chosen = next(iter([*same, *right, *ours]), None)
    if chosen is None:
        types = ", ".join(_short(name) for name in needed.event_types)
        yield Difference(workspace, needed.name, "missing", f"no subscription delivers {types} to the app")
        return
    for kind, text in _changes(needed, chosen, delivery):
        yield Difference(workspace, chosen.name, kind, text)
    for each in ours:
        if each is not chosen:
            yield Difference(workspace, each.name, "extra", f"{chosen.name} delivers its events already")


def _changes(needed: Subscription, deployed: Deployed, delivery: Delivery) -> Iterator[tuple[str, str]]:
    given = deployed.filter.included_event_types
    has_all = given is None or any(name.lower() == "all" for name in given)
    wanted = set(needed.event_types)
    missing = [] if has_all else sorted(_short(name) for name in wanted - set(given or ()))
    extra = ["all types"] if has_all else sorted(_short(name) for name in set(given or ()) - wanted)
    if missing:
        yield "types", f"it lacks {', '.join(missing)}: rules do not get these events"
    if extra:
        yield "types", f"it delivers {', '.join(extra)}, on which no rule acts"
    yield from _other_filter(needed, deployed.filter)
    yield from _other_destination(deployed, delivery)
    if not deployed.dead_letters:
        yield "dead-letters", "it has no container for dead letters: Event Grid drops what it cannot deliver"
    elif not _is_id(deployed.dead_letters, delivery.storage, delivery.container):
        yield "dead-letters", f"dead letters go to {deployed.dead_letters}"
    if (deployed.batch or 1) > 1:
        yield "batch", f"up to {deployed.batch} events come at once: after one failure, all of them come again"
    for value, most, unit in ((deployed.attempts, ATTEMPTS, "attempts"), (deployed.minutes, MINUTES, "minutes")):
        if value is not None and value != most:
            yield "retry", f"Event Grid gives an event up after {value} {unit}, not {most}"


def _other_filter(needed: Subscription, filter: EventFilter) -> Iterator[tuple[str, str]]:
    wanted = {_comparable(each): each for each in EventFilter.model_validate(needed.filter()).advanced_filters}
    existing = {_comparable(each): each for each in filter.advanced_filters}
    for part in existing.keys() - wanted.keys():
        yield "filter", f"it keeps only {_shown(existing[part])}"
    for part in wanted.keys() - existing.keys():
        yield "filter", f"it has no filter {_shown(wanted[part])}"
    for name, text in (("begins", filter.subject_begins_with), ("ends", filter.subject_ends_with)):
        if text:
            yield "filter", f"it keeps only subjects that {name[:-1]} with {text}"
    if wanted and existing.keys() == wanted.keys() and not filter.enable_advanced_filtering_on_arrays:
        yield "filter", "it does not search arrays, as rules do: set enableAdvancedFilteringOnArrays"


def _comparable(filter: AdvancedFilter) -> tuple[str, str, str]:
    values = filter.operator_type.operands(filter.values or (() if filter.value is None else (filter.value,)))
    return filter.key.lower(), filter.operator_type.name, repr(sorted(map(repr, values)))


def _shown(filter: AdvancedFilter) -> str:
    values = filter.values or (() if filter.value is None else (filter.value,))
    return " ".join([filter.key, filter.operator_type.name, *map(str, values)])


def _other_destination(deployed: Deployed, delivery: Delivery) -> Iterator[tuple[str, str]]:
    by_queue = delivery.via == "queue"
    end = delivery.queue if by_queue else f"functions/{FUNCTION}"
    given = delivery.storage if by_queue else delivery.function_app
    kind = "StorageQueue" if by_queue else "AzureFunction"
    if deployed.endpoint_type != kind or not _is_id(deployed.endpoint, given, end):
        wanted = f"the queue {end}" if by_queue else f"the function {FUNCTION}"
        where = f" of {given}" if given else ""
        yield "destination", f"it delivers to {deployed.endpoint or deployed.endpoint_type}, not to {wanted}{where}"
    elif by_queue and not deployed.uses_identity:
        yield "destination", "it delivers without the system topic's identity"


def _is_id(found: str, given: str, end: str) -> bool:
    """Is it the id with this end; with any, if none is given?"""
    found, wanted = found.lower(), f"{given}/{end}".lower()
    return found == wanted if given else found.endswith(wanted)


def _short(name: str) -> str:
    return name.rpartition(".")[2]
