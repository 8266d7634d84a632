"""`Plan`: the event subscriptions that the rules of an app need, one for each workspace that has rules.

A subscription of the workspace's system topic delivers the event types that rules name in `on` there, to the function
`azureml_event` or, with `via` queue, to the storage queue that the app reads.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal, TypeAlias, cast

from dispatch.rules.rule import Rules
from dispatch.rules.when import ALWAYS, AllOf
from dispatch.rules.workspaces import Workspace
from mlevents.subscriptions.budget import AdvancedFilter, within_limits
from mlevents.subscriptions.implied import Alternative, alternative, implied
from schemas import EVENT_NAMES, ResourceId, WorkspaceId
from schemas.events.registry import EVENT_TYPES
from schemas.events.watched.base import WatchedEvent

FUNCTION = "azureml_event"  # of function_app.py
CONTAINER = "deadletter"
ATTEMPTS, MINUTES = 30, 1_440  # the most that Event Grid permits: "Event Grid message delivery and retry"
MESSAGE_SECONDS = 604_800  # how long a message waits in the queue: seven days, as docs/event-grid.md says

Via: TypeAlias = Literal["function", "queue"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where all subscriptions deliver to. An empty id is a parameter of the template."""

    via: Via = "function"
    queue: str = "mlevents-events"
    container: str = CONTAINER  # for dead letters
    function_app: str = ""  # the ARM id
    storage: str = ""  # the ARM id of the account with the queue and the container
    identity: bool = False  # does the topic's system-assigned identity write dead letters, and to the queue?


@dataclass(frozen=True, slots=True)
class Subscription:
    """One event subscription, with the notes that a reader of the commands or the template should see."""

    workspace: str  # as workspaces.yaml names it
    source: ResourceId
    topic: str
    name: str
    event_types: tuple[str, ...]
    filters: tuple[AdvancedFilter, ...] = ()
    rules: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def filter(self) -> dict[str, Any]:
        """The filter as Resource Manager's API has it. Rules search arrays, so an advanced filter must, too."""
        found: dict[str, Any] = {"includedEventTypes": list(self.event_types)}
        if self.filters:
            found["enableAdvancedFilteringOnArrays"] = True
            found["advancedFilters"] = [each.arm() for each in self.filters]
        return found


@dataclass(frozen=True, slots=True)
class Plan:
    """The subscriptions, and a line for each workspace that needs none."""

    delivery: Delivery
    subscriptions: tuple[Subscription, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """The names of what is created. `topics` has the system topics that are not called as usual, by workspace."""

    subscription: str = ""
    topics: Mapping[str, str] = field(default_factory=dict)

    def of_subscription(self, via: Via) -> str:
        """The subscription's name."""
        return self.subscription or {"function": "azureml-event", "queue": "queued-event"}[via]

    def of_topic(self, workspace: Workspace) -> str:
        """The system topic's name: at most 50 letters, digits and hyphens, as for custom topics."""
        kind = "" if isinstance(workspace.id, WorkspaceId) else "storage-"
        return self.topics.get(workspace.name) or f"mlevents-{kind}{short(workspace.id.name, 40 - len(kind))}"


def short(name: str, most: int) -> str:
    """A name of ASCII letters, digits and hyphens; one that had to be changed ends with a hash, to be unique."""
    changed = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)[:most]
    return name if changed == name else f"{changed[: most - 9]}-{sha256(name.encode()).hexdigest()[:8]}"


def plan(rules: Rules, delivery: Delivery, names: Names, *, with_filters: bool) -> Plan:
    """The subscriptions that valid rules need.

    Those of storage accounts have filters always: an account raises an event for each blob that anything writes.
    """
    subscriptions, notes = [], []
    for workspace in rules.workspaces or ():
        alternatives = list(_alternatives(rules, workspace))
        if not workspace.id.topic_type:
            notes.append(f"{workspace.name} is {workspace.id.noun}, which has no topic in Event Grid")
        elif not alternatives:
            notes.append(f"{workspace.name} needs no subscription: no rule acts on its events")
        else:
            filtered = with_filters or not isinstance(workspace.id, WorkspaceId)
            terms = implied(alternatives) if filtered else []
            filters, widened = within_limits(terms)
            reasons = _reasons(alternatives, {term.key for term in terms}) if filtered else []
            subscriptions.append(
                Subscription(
                    workspace.name,
                    workspace.id,
                    names.of_topic(workspace),
                    names.of_subscription(delivery.via),
                    tuple(name for name in EVENT_TYPES if any(name == a.event.type_name() for a in alternatives)),
                    filters,
                    tuple(dict.fromkeys(each.rule for each in alternatives)),
                    (*widened, *reasons),
                )
            )
    return Plan(delivery, tuple(subscriptions), tuple(notes))


def _alternatives(rules: Rules, workspace: Workspace) -> Iterator[Alternative]:
    """Each rule that may act on events of the workspace, with each of its event types.

    What it asks the record for counts as well, and what the watch compares with the record for it.
    """
    id = workspace.id
    view = {**workspace.view(), "resource_group": id.resource_group, "subscription": id.subscription}
    for rule in rules.by_name.values():
        if rule.is_for(workspace):
            asked = ((each.events, cast(AllOf, each.when)) for each in rule.patterns)
            for names, when in ((rule.on, rule.when), *asked):
                types = [*dict.fromkeys(event for name in sorted(names) for event in EVENT_NAMES[name])]
                compared = [each for event in types if issubclass(event, WatchedEvent) for each in event.compared_with]
                for event, test in (*((event, when) for event in types), *((event, ALWAYS) for event in compared)):
                    delivered = event.from_azure and isinstance(id, event.resource_id)
                    if delivered and (found := alternative(rule.name, test, event, {"workspace": view})):
                        yield found


def _reasons(alternatives: Sequence[Alternative], filtered: set[str]) -> list[str]:
    """Why keys on which some rules have conditions are not filtered: the rules without one, and unusable conditions."""
    keys = dict.fromkeys(term.key for each in alternatives for term in each.terms)
    notes = []
    for key in keys:
        without = dict.fromkeys(each.rule for each in alternatives if key not in {term.key for term in each.terms})
        if key not in filtered and without:
            first, *others = without
            more = f" and {len(others)} more" if others else ""
            notes.append(f"{key} is not filtered: {first}{more} may act without a condition on it")
    unusable = {(each.rule, text): reason for each in alternatives for text, reason in each.unusable.items()}
    notes += [f"{rule}: {text} is not a filter: {reason}" for (rule, text), reason in unusable.items()]
    return notes
