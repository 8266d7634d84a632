"""What is deployed, in the terms that ARM templates and Bicep share: modules, their resources, and expressions.

For each workspace, a module deploys the system topic and one the event subscription, in the workspace's resource group.
With the topic's identity, one between them deploys its roles, in the resource group of the storage account.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from handlers.roles import STORAGE_BLOB_DATA_CONTRIBUTOR
from mlevents.subscriptions.model import (
    ATTEMPTS,
    FUNCTION,
    MESSAGE_SECONDS,
    MINUTES,
    Delivery,
    Plan,
    Subscription,
    short,
)
from schemas import ResourceId

EVENT_GRID_VERSION = "2025-02-15"  # the newest stable one
STORAGE_VERSION = "2024-01-01"
AUTHORIZATION_VERSION = "2022-04-01"
TOPICS = "Microsoft.EventGrid/systemTopics"
SUBSCRIPTIONS = f"{TOPICS}/eventSubscriptions"
QUEUE_SENDER = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"  # Storage Queue Data Message Sender
BLOB_CONTRIBUTOR = STORAGE_BLOB_DATA_CONTRIBUTOR.id
FUNCTION_APP, STORAGE = "functionAppId", "storageId"  # parameters


@dataclass(frozen=True, slots=True)
class Parameter:
    """The value of a parameter of the module."""

    name: str


@dataclass(frozen=True, slots=True)
class Joined:
    """Texts and expressions, joined to one text."""

    parts: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function that both languages have."""

    function: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a resource id: 2 is the subscription, 4 the resource group, 8 the name."""

    id: Parameter
    index: int


@dataclass(frozen=True, slots=True)
class LocationOf:
    """The region of a workspace or a storage account."""

    source: ResourceId


@dataclass(frozen=True, slots=True)
class Output:
    """An output of a module that was deployed before."""

    deployment: "Deployment"
    name: str


@dataclass(frozen=True, slots=True)
class Existing:
    """A resource that exists, or that another resource of the module deploys; `names` has one name for each type."""

    symbol: str
    type: str
    version: str
    names: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class PrincipalOf:
    """The id of the identity of a resource of the module."""

    resource: "Resource"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of a module. `within` is its parent, or the resource that it extends if `extends`."""

    symbol: str
    type: str
    version: str
    name: Any
    body: Mapping[str, Any]
    within: Existing | None = None
    extends: bool = False


@dataclass(frozen=True, slots=True)
class Module:
    """A template that is deployed into one resource group. `parameters` has their types by name."""

    name: str
    about: str
    parameters: Mapping[str, str]
    resources: tuple[Resource, ...]
    outputs: Mapping[str, PrincipalOf] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A module with its arguments, in a resource group."""

    name: str
    module: Module
    subscription: Any
    resource_group: Any
    arguments: Mapping[str, Any]
    after: tuple["Deployment", ...] = ()


def parameters(delivery: Delivery) -> dict[str, str]:
    """The parameters of the whole, with their default values, empty for none."""
    ids = {FUNCTION_APP: delivery.function_app} if delivery.via == "function" else {}
    return {**ids, STORAGE: delivery.storage}


def deployments(plan: Plan) -> list[Deployment]:
    """The deployments of all workspaces, in their order."""
    return [each for subscription in plan.subscriptions for each in _of_workspace(subscription, plan.delivery)]


def _of_workspace(subscription: Subscription, delivery: Delivery) -> Iterator[Deployment]:
    source, name = subscription.source, f"mlevents-{short(subscription.workspace, 40)}"
    place = (source.subscription, source.resource_group)
    about = {
        "topicName": subscription.topic,
        "source": source.text,
        "topicType": source.topic_type,
        "location": LocationOf(source),
    }
    topic = Deployment(f"{name}-topic", topic_module(delivery), *place, about)
    yield topic
    after: tuple[Deployment, ...] = (topic,)
    storage = Parameter(STORAGE)
    if delivery.identity:
        arguments = {"storageName": Segment(storage, 8), "principalId": Output(topic, "principalId")}
        roles = Deployment(
            f"{name}-roles", roles_module(delivery), Segment(storage, 2), Segment(storage, 4), arguments, after
        )
        yield roles
        after = (topic, roles)
    ids = {each: Parameter(each) for each in parameters(delivery)}
    what = {
        "topicName": subscription.topic,
        "subscriptionName": subscription.name,
        "eventFilter": subscription.filter(),
    }
    yield Deployment(f"{name}-events", subscription_module(delivery), *place, {**what, **ids}, after)


def topic_module(delivery: Delivery) -> Module:
    """The system topic of a workspace or a storage account."""
    body: dict[str, Any] = {"location": Parameter("location")}
    if delivery.identity:
        body["identity"] = {"type": "SystemAssigned"}
    body["properties"] = {"source": Parameter("source"), "topicType": Parameter("topicType")}
    topic = Resource("topic", TOPICS, EVENT_GRID_VERSION, Parameter("topicName"), body)
    return Module(
        "topic",
        "The system topic of a workspace or a storage account, in its resource group and region.",
        dict.fromkeys(("topicName", "source", "topicType", "location"), "string"),
        (topic,),
        {"principalId": PrincipalOf(topic)} if delivery.identity else {},
    )


def roles_module(delivery: Delivery) -> Module:
    """The roles of the topic's identity: where its events and its dead letters go."""
    storage = Parameter("storageName")
    container = Existing(
        "container",
        "Microsoft.Storage/storageAccounts/blobServices/containers",
        STORAGE_VERSION,
        (storage, "default", delivery.container),
    )
    queue = Existing(
        "queue",
        "Microsoft.Storage/storageAccounts/queueServices/queues",
        STORAGE_VERSION,
        (storage, "default", delivery.queue),
    )
    needed = {"deadLetters": (container, BLOB_CONTRIBUTOR)}
    if delivery.via == "queue":
        needed["messages"] = (queue, QUEUE_SENDER)
    return Module(
        "roles",
        "The roles of the system topic's identity on the storage account.",
        dict.fromkeys(("storageName", "principalId"), "string"),
        tuple(_assignment(symbol, scope, role) for symbol, (scope, role) in needed.items()),
    )


def _assignment(symbol: str, scope: Existing, role: str) -> Resource:
    principal, path = Parameter("principalId"), Joined(_with_slashes(scope.names))
    body = {
        "properties": {
            "roleDefinitionId": Call("subscriptionResourceId", ("Microsoft.Authorization/roleDefinitions", role)),
            "principalId": principal,
            "principalType": "ServicePrincipal",
        }
    }
    name = Call("guid", (path, principal, role))
    type = "Microsoft.Authorization/roleAssignments"
    return Resource(symbol, type, AUTHORIZATION_VERSION, name, body, scope, extends=True)


def _with_slashes(names: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(part for name in names for part in ("/", name))[1:]


def subscription_module(delivery: Delivery) -> Module:
    """The event subscription."""
    names = dict.fromkeys(("topicName", "subscriptionName"), "string")
    ids = dict.fromkeys(parameters(delivery), "string")
    topic = Existing("topic", TOPICS, EVENT_GRID_VERSION, (Parameter("topicName"),))
    body = {"properties": {**_destinations(delivery), "filter": Parameter("eventFilter"), **_policy()}}
    name = Parameter("subscriptionName")
    return Module(
        "subscription",
        "The event subscription of a system topic.",
        {**names, "eventFilter": "object", **ids},
        (Resource("eventSubscription", SUBSCRIPTIONS, EVENT_GRID_VERSION, name, body, topic),),
    )


def _policy() -> dict[str, Any]:
    return {
        "eventDeliverySchema": "EventGridSchema",
        "retryPolicy": {"maxDeliveryAttempts": ATTEMPTS, "eventTimeToLiveInMinutes": MINUTES},
    }


def _destinations(delivery: Delivery) -> dict[str, Any]:
    storage = Parameter(STORAGE)
    dead_letters = {
        "endpointType": "StorageBlob",
        "properties": {"resourceId": storage, "blobContainerName": delivery.container},
    }
    identity = {"identity": {"type": "SystemAssigned"}}
    found: dict[str, Any] = {}
    if delivery.via == "queue":
        properties = {
            "resourceId": storage,
            "queueName": delivery.queue,
            "queueMessageTimeToLiveInSeconds": MESSAGE_SECONDS,
        }
        queue = {"endpointType": "StorageQueue", "properties": properties}
        found["deliveryWithResourceIdentity"] = {**identity, "destination": queue}
    else:
        function = Joined((Parameter(FUNCTION_APP), f"/functions/{FUNCTION}"))
        properties = {"resourceId": function, "maxEventsPerBatch": 1, "preferredBatchSizeInKilobytes": 64}
        found["destination"] = {"endpointType": "AzureFunction", "properties": properties}
    if delivery.identity:
        found["deadLetterWithResourceIdentity"] = {**identity, "deadLetterDestination": dead_letters}
    else:
        found["deadLetterDestination"] = dead_letters
    return found
