"""Commands of az, ARM templates and Bicep: they deploy the same, and what Microsoft's types permit."""

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st

from dispatch.filters import EventFilter
from dispatch.filters.operators import BOOL, NUMBER, OPERATORS, RANGE
from mlevents.subscriptions import arm, az, bicep
from mlevents.subscriptions.budget import AdvancedFilter
from mlevents.subscriptions.model import Delivery, Plan, Subscription
from schemas import EVENT_TYPES, ResourceId, WorkspaceId
from schemas.events.blobs import StorageAccountId
from tests.kit.any_input import any_input
from tests.kit.arm_schema import check_in_template
from tests.kit.bicep_types import check_resource
from tests.kit.world import ARM
from tests.mlevents.subscriptions.readers import ARGUMENTS, Resource, of_arm, of_az, of_bicep

HOSTILE = [
    *("it's", 'a "b"', "$HOME", "${x}", "`id`", "$(id)", "\\", "a\\nb", "x\\", "[x]", "[[x]"),
    *("{0}", "%PATH%", "é∑😀", "a b", "*", "#", "", "//", "/*"),
]
NUMBERS: list[float] = [0, 1, 7, 2.5, 0.1, 1e-07, 123456789012345]
texts = st.sampled_from(HOSTILE) | st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=5)
texts = texts.filter(lambda text: text[:1] not in ("@", "-") and text not in {"topic", "location", "source"})


ACCOUNT = ("MachineLearningServices/workspaces", "Storage/storageAccounts")
ID: tuple[Callable[[str], ResourceId], ...] = (
    WorkspaceId.parse,
    lambda text: StorageAccountId.parse(text.replace(*ACCOUNT)),
)


AZURES = {name: event for name, event in EVENT_TYPES.items() if event.from_azure}


@st.composite
def filters(draw: st.DrawFn) -> AdvancedFilter:
    """A filter with any operator, and values that are awkward to quote."""
    operator = draw(st.sampled_from(OPERATORS))
    number = st.sampled_from(NUMBERS)
    value: st.SearchStrategy[Any] = texts
    if operator.kind is RANGE:
        value = st.tuples(number, number).map(lambda pair: (min(pair), max(pair)))
    elif operator.kind in (NUMBER, BOOL):
        value = number if operator.kind is NUMBER else st.just(True)
    count = 0 if operator.kind is None else 4 if operator.many else 1
    values = draw(st.lists(value, min_size=min(count, 1), max_size=count))
    key = draw(st.sampled_from(["data.runStatus", "subject", "data.runTags.it's", "data.runTags.a b$c"]))
    return AdvancedFilter(key, operator.name, tuple(values), operator.takes)


@st.composite
def plans(draw: st.DrawFn, *, any_delivery: bool = False) -> Plan:
    """Subscriptions of up to five workspaces and storage accounts, in up to three resource groups."""
    names = draw(
        st.lists(st.sampled_from(["churn-dev", "churn-prod", "2nd_ws", "a(b)", "landing"]), min_size=1, unique=True)
    )
    found: list[Subscription] = []
    for name in names:
        id = ID[name == "landing"](ARM.format(draw(st.sampled_from("123")) * 8, name))
        raised = [type for type, event in AZURES.items() if isinstance(id, event.resource_id)]
        types = draw(st.lists(st.sampled_from(raised), min_size=1, unique=True))
        given = tuple(draw(st.lists(filters(), max_size=4)))
        notes = tuple(draw(st.lists(st.sampled_from(["fine", "two\nlines", "'''", "*/ ${x} [y]"]), max_size=2)))
        found.append(Subscription(name, id, f"topic-{len(found)}", "azureml-event", tuple(types), given, ("r",), notes))
    by_queue = any_delivery and draw(st.booleans())
    identity = by_queue or (any_delivery and draw(st.booleans()))
    delivery = Delivery("queue" if by_queue else "function", identity=identity)
    return Plan(delivery, tuple(found), ("x needs no subscription",))


def plain(value: Any) -> Any:
    """Without what only some forms can say: the version of an API. Numbers are all of one type."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items() if name != "apiVersion"}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def in_order(found: list[Resource]) -> list[Any]:
    return sorted((plain(each) for each in found), key=lambda each: json.dumps(each, sort_keys=True))


@any_input(15, 1_000, plan=plans(any_delivery=True))
def test_bicep_deploys_what_the_template_deploys(plan: Plan) -> None:
    template = json.loads(arm.as_text(plan))
    assert in_order(of_bicep(bicep.files(plan))) == in_order(of_arm(template))


@any_input(60, 5_000, plan=plans())
def test_az_creates_what_the_template_deploys(plan: Plan) -> None:
    assert in_order(of_az(az.script(plan))) == in_order(of_arm(json.loads(arm.as_text(plan))))


@any_input(15, 1_000, plan=plans(any_delivery=True))
def test_resources_have_the_shape_that_microsoft_publishes(plan: Plan) -> None:
    """The types of topics and events are free texts there, so they are compared here."""
    for resource in of_arm(arm.template(plan)):
        check_resource({name: value for name, value in resource.items() if name not in ("place", "scope")})
        properties = resource["properties"]
        if resource["type"].endswith("/systemTopics"):
            is_account = "/Microsoft.Storage/" in properties["source"]
            wanted = "Storage.StorageAccounts" if is_account else "MachineLearningServices.Workspaces"
            assert properties["topicType"] == f"Microsoft.{wanted}"
        if resource["type"].endswith("/eventSubscriptions"):
            types = set(properties["filter"]["includedEventTypes"])
            assert types <= TYPES or types <= {"Microsoft.Storage.BlobCreated", "Microsoft.Storage.BlobDeleted"}
            EventFilter.model_validate(properties["filter"])


@any_input(15, 1_000, plan=plans(any_delivery=True))
def test_resources_of_the_template_have_the_published_json_schema(plan: Plan) -> None:
    """As the template has them, with their expressions."""
    for resource in in_template(plan):
        check_in_template(resource)


def in_template(plan: Plan) -> list[Resource]:
    nested = json.loads(arm.as_text(plan))["resources"]
    inner = (resource for each in nested for resource in each["properties"]["template"]["resources"])
    return [resource for resource in inner if resource["type"].startswith("Microsoft.EventGrid/")]


def test_the_published_json_schema_finds_errors() -> None:
    """Otherwise the previous test would check nothing."""
    [topic, subscription] = in_template(plan_with())
    properties = subscription["properties"]
    wrong: list[dict[str, Any]] = [
        {**topic, "location": None},
        {**topic, "apiVersion": "2025-02-16"},
        {**subscription, "properties": {**properties, "retries": {}}},
        {**subscription, "properties": {**properties, "destination": {"endpointType": "AzureFunktion"}}},
        {**subscription, "properties": {**properties, "filter": {"includedEventTypes": "RunCompleted"}}},
    ]
    for each in wrong:
        with pytest.raises(AssertionError):
            check_in_template(each)


def test_published_types_find_errors() -> None:
    """Otherwise the previous test would check nothing."""
    [topic, subscription] = of_arm(arm.template(plan_with()))
    wrong: list[dict[str, Any]] = [
        {**topic, "location": None},
        {**topic, "apiVersion": "2025-02-16"},
        {**subscription, "properties": {**subscription["properties"], "retries": {}}},
        {**subscription, "properties": {"destination": {"endpointType": "AzureFunktion"}}},
        {**subscription, "properties": {"filter": {"advancedFilters": [{"operatorType": "StringIn", "value": "x"}]}}},
    ]
    for each in wrong:
        each.pop("place", None)
        with pytest.raises(AssertionError):
            check_resource(each)


TYPES = {
    f"Microsoft.MachineLearningServices.{name}"
    for name in ("RunCompleted", "RunStatusChanged", "ModelRegistered", "ModelDeployed", "DatasetDriftDetected")
}
DEV = WorkspaceId.parse(ARM.format("1" * 8, "dev"))


def plan_with(*given: AdvancedFilter, delivery: Delivery | None = None) -> Plan:
    name = "Microsoft.MachineLearningServices.RunCompleted"
    return Plan(
        delivery or Delivery(), (Subscription("churn-dev", DEV, "mlevents-churn-dev", "azureml-event", (name,), given),)
    )


@pytest.mark.parametrize(
    "filter",
    [
        AdvancedFilter("data.createdBy", "BoolEquals", (False,), "value"),
        AdvancedFilter("data.runType", "StringIn", ("@file",), "values"),
        AdvancedFilter("data.runType", "StringIn", ("a", "-x"), "values"),
        AdvancedFilter("data.createdBy", "NumberInRange", ((-5, 5),), "values"),
        AdvancedFilter("data.createdBy", "NumberIn", (-5,), "values"),
        AdvancedFilter("data.runType", "StringIn", ("two\nlines",), "values"),
    ],
    ids=str,
)
def test_what_az_gets_wrong_is_refused(filter: AdvancedFilter) -> None:
    """docs/event-grid.md, "What az gets wrong"; the other forms can say it."""
    plan = plan_with(filter)
    with pytest.raises(az.Unsayable, match="use --format bicep"):
        az.script(plan)
    assert in_order(of_bicep(bicep.files(plan))) == in_order(of_arm(json.loads(arm.as_text(plan))))


@pytest.mark.parametrize("delivery", [Delivery("queue", identity=True), Delivery(identity=True)])
def test_az_is_refused_where_the_topic_needs_its_identity(delivery: Delivery) -> None:
    with pytest.raises(az.Unsayable, match="26910"):
        az.script(plan_with(delivery=delivery))


def test_queue_gets_events_and_dead_letters_by_the_identity_which_has_the_roles() -> None:
    topic, *roles, subscription = of_arm(arm.template(plan_with(delivery=Delivery("queue", identity=True))))
    assert topic["identity"] == {"type": "SystemAssigned"}
    assert [(role["scope"], role["properties"]["roleDefinitionId"], role["place"]) for role in roles] == [
        (
            "Microsoft.Storage/storageAccounts/events/blobServices/default/containers/deadletter",
            "role ba92f5b4-2d11-453d-a403-e96b0029c9fe",
            ("ss", "sr"),
        ),
        (
            "Microsoft.Storage/storageAccounts/events/queueServices/default/queues/mlevents-events",
            "role c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
            ("ss", "sr"),
        ),
    ]
    assert {role["properties"]["principalId"] for role in roles} == {"principal of mlevents-churn-dev"}
    assert {"destination", "deadLetterDestination"}.isdisjoint(subscription["properties"])
    assert subscription["properties"]["deliveryWithResourceIdentity"]["destination"]["properties"] == {
        "resourceId": ARGUMENTS["storageId"],
        "queueName": "mlevents-events",
        "queueMessageTimeToLiveInSeconds": 604_800,
    }


def test_given_ids_replace_variables_and_are_default_values() -> None:
    delivery = Delivery(function_app="/subscriptions/s/it's", storage="/subscriptions/s/x")
    plan = plan_with(delivery=delivery)
    script = az.script(plan)
    assert shlex.quote("/subscriptions/s/it's/functions/azureml_event") in script
    assert ":?" not in script
    assert arm.template(plan)["parameters"]["functionAppId"]["defaultValue"] == "/subscriptions/s/it's"
    assert "param storageId string = '/subscriptions/s/x'" in bicep.files(plan)["subscriptions.bicep"]


def test_numbers_that_bicep_has_no_literal_for_are_read_from_json() -> None:
    text = bicep.files(plan_with(AdvancedFilter("data.createdBy", "NumberIn", (2.5, -3, 7), "values")))
    for literal in ("json('2.5')", "json('-3')", " 7\n"):
        assert literal in text["subscriptions.bicep"]


def test_workspaces_with_similar_names_have_different_symbols() -> None:
    first, *_ = plan_with().subscriptions
    second = replace(first, workspace="churn_dev", source=WorkspaceId.parse(ARM.format("2" * 8, "dev")))
    plan = Plan(Delivery(), (first, second))
    assert len(of_bicep(bicep.files(plan))) == 4
