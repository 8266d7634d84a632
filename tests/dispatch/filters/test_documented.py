"""Every example of Microsoft's pages about filters, with an event that it delivers and one that it does not deliver.

In the pages' order: "Understand event filtering for Event Grid subscriptions" (learn.microsoft.com/azure/event-grid/
event-filtering), "Filter events for Event Grid" (how-to-filter-events), "Advanced filtering" (edge/advanced-filtering).
"""

import json
from typing import Any

import pytest

from dispatch.filters.condition import Condition
from dispatch.filters.event_filter import EventFilter

BLOB = "/blobServices/default/containers/"
FAILURE, SUCCESS = "Microsoft.Resources.ResourceWriteFailure", "Microsoft.Resources.ResourceWriteSuccess"
CLOUD_EVENT = json.loads("""{
    "specversion" : "1.0", "type" : "com.example.someevent", "source" : "/mycontext", "id" : "C234-1234-1234",
    "time" : "2018-04-05T17:31:00Z", "subject": null, "comexampleextension1" : "value", "comexampleothervalue" : 5,
    "datacontenttype" : "application/json", "data" : {"appinfoA" : "abc", "appinfoB" : 123, "appinfoC" : true}
}""")
NESTED = {"data": {"appEventTypeDetail": {"action": "Started"}, "siteName": "<site-name>", "verb": "None"}}


def of_type(name: str) -> dict[str, Any]:
    return {"eventType": name, "subject": "s", "data": {}}


def about(subject: str) -> dict[str, Any]:
    return {"eventType": "t", "subject": subject, "data": {}}


def having(key: str, value: Any) -> dict[str, Any]:
    return {"eventType": "t", "subject": "s", "data": {key: value}}


def advanced(operator: str, key: str, **operand: Any) -> dict[str, Any]:
    return {"advancedFilters": [{"operatorType": operator, "key": key, **operand}]}


TWO_RANGES = [[3.14159, 999.95], [3000, 4000]]
STORAGE = {"includedEventTypes": ["Microsoft.Storage.BlobCreated", "Microsoft.Storage.BlobDeleted"]}
RESOURCES = {"includedEventTypes": [FAILURE, SUCCESS]}
LOG_JPG = {"subjectBeginsWith": BLOB + "mycontainer/blobs/log", "subjectEndsWith": ".jpg"}
LAB, VM = "/providers/microsoft.devtestlab/", "/providers/Microsoft.Compute/virtualMachines/"

DELIVERED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (STORAGE, of_type("Microsoft.Storage.BlobDeleted")),
    (RESOURCES, of_type(SUCCESS)),
    ({"includedEventTypes": ["All"]}, of_type("anything")),
    ({"subjectEndsWith": ".txt"}, about(BLOB + "c/blobs/notes.TXT")),
    ({"subjectBeginsWith": BLOB + "testcontainer"}, about(BLOB + "testcontainer/blobs/a")),
    ({"subjectBeginsWith": "/A"}, about("/A/B/C")),
    ({"subjectBeginsWith": "/A"}, about("/A/D/E")),
    ({"subjectBeginsWith": "/A/B"}, about("/A/B/C")),
    ({"subjectBeginsWith": "", "subjectEndsWith": ""}, about(BLOB + "any/blobs/b")),
    ({"subjectBeginsWith": BLOB + "containerprefix"}, about(BLOB + "containerprefix-2/blobs/b")),
    ({"subjectBeginsWith": BLOB + "containername/"}, about(BLOB + "containername/blobs/b")),
    ({"subjectBeginsWith": BLOB + "containername/blobs/blobprefix"}, about(BLOB + "containername/blobs/blobprefix1")),
    ({"subjectBeginsWith": BLOB + "c/blobs/sub/"}, about(BLOB + "c/blobs/sub/b")),
    ({"subjectEndsWith": ".log"}, about(BLOB + "c/blobs/a.log")),
    ({**LOG_JPG, "enableAdvancedFilteringOnArrays": True}, about(BLOB + "mycontainer/blobs/log1.jpg")),
    (advanced("StringIn", "data.siteName", values=["<site-name>"]), NESTED),
    (advanced("StringIn", "data.appEventTypeDetail.action", values=["Started"]), NESTED),
    (advanced("NumberIn", "data.counter", values=[5, 1]), having("counter", 5)),
    (advanced("NumberNotIn", "data.counter", values=[41, 0]), having("counter", 5)),
    (advanced("NumberLessThan", "data.counter", value=100), having("counter", 99)),
    (advanced("NumberGreaterThan", "data.counter", value=20), having("counter", 21)),
    (advanced("NumberLessThanOrEquals", "data.counter", value=100), having("counter", 100)),
    (advanced("NumberGreaterThanOrEquals", "data.counter", value=30), having("counter", 30)),
    (advanced("NumberInRange", "data.key1", values=TWO_RANGES), having("key1", 3.14159)),
    (advanced("NumberInRange", "data.key1", values=TWO_RANGES), having("key1", 3500)),
    (advanced("NumberInRange", "data.key1", values=[[3000, 4000]]), having("key1", 4000)),
    (advanced("NumberNotInRange", "data.key1", values=TWO_RANGES), having("key1", 1000)),
    (advanced("NumberNotInRange", "data.key1", values=[[3000, 4000]]), having("key1", 4000.5)),
    (advanced("BoolEquals", "data.isEnabled", value=True), having("isEnabled", True)),
    (advanced("StringContains", "data.key1", values=["microsoft", "azure"]), having("key1", "azure data factory")),
    (advanced("StringNotContains", "data.key1", values=["contoso", "fabrikam"]), having("key1", "adatum")),
    (advanced("StringBeginsWith", "data.key1", values=["event", "message"]), having("key1", "event hubs")),
    (advanced("StringNotBeginsWith", "data.key1", values=["event", "message"]), having("key1", "an event")),
    (advanced("StringEndsWith", "data.key1", values=["jpg", "jpeg", "png"]), having("key1", "eventgrid.png")),
    (advanced("StringNotEndsWith", "data.key1", values=["jpg", "jpeg", "png"]), having("key1", "png.txt")),
    (advanced("StringIn", "data.key1", values=["contoso", "fabrikam", "factory"]), having("key1", "Fabrikam")),
    (advanced("StringNotIn", "data.key1", values=["aws", "bridge"]), having("key1", "azure")),
    (advanced("IsNullOrUndefined", "data.key1"), {"data": {"key2": 5}}),
    (advanced("IsNullOrUndefined", "data.key1"), {"data": {"key1": None}}),
    (advanced("IsNotNull", "data.key1"), {"data": {"key1": 5}}),
    (advanced("StringContains", "Subject", values=[LAB, VM]), about(f"/subscriptions/0{VM}vm1")),
    (
        {"advancedFilters": [*advanced("StringContains", "Subject", values=[LAB])["advancedFilters"]] * 2},
        about(f"/subscriptions/0{LAB}lab1"),
    ),
    (advanced("StringIn", "comexampleextension1", values=["value"]), CLOUD_EVENT),
    (advanced("NumberIn", "comexampleothervalue", values=[5]), CLOUD_EVENT),
    (advanced("StringIn", "data.appinfoA", values=["ABC"]), CLOUD_EVENT),
    (advanced("NumberGreaterThan", "data.appinfoB", value=122), CLOUD_EVENT),
    (advanced("BoolEquals", "data.appinfoC", value=True), CLOUD_EVENT),
    (advanced("StringIn", "source", values=["/mycontext"]), CLOUD_EVENT),
    (advanced("StringIn", "type", values=["com.example.someevent"]), CLOUD_EVENT),
    (advanced("StringIn", "eventtype", values=["com.example.someevent"]), CLOUD_EVENT),
    (advanced("StringIn", "eventid", values=["C234-1234-1234"]), CLOUD_EVENT),
    (advanced("StringIn", "specversion", values=["1.0"]), CLOUD_EVENT),
    (advanced("IsNullOrUndefined", "subject"), CLOUD_EVENT),
    (advanced("StringIn", "Data.color", values=["blue", "red", "green"]), having("color", "green")),
    (advanced("NumberIn", "Data.Key1", values=[1, 10, 100]), having("Key1", 10)),
    (advanced("NumberNotIn", "Data.Key2", values=[2, 3, 4.56]), having("Key2", 4.57)),
    (advanced("StringEndsWith", "Data.P3.P4", values=["jpg", "jpeg", "png"]), {"data": {"p3": {"p4": "a.jpg"}}}),
    (advanced("StringIn", "RootKey", values=["exact", "string", "matches"]), {"RootKey": "exact"}),
    (advanced("StringNotIn", "RootKey", values=["aws", "bridge"]), {"RootKey": "azure"}),
    (advanced("BoolEquals", "BoolKey2", value=False), {"BoolKey2": False}),
]

NOT_DELIVERED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (STORAGE, of_type("Microsoft.Storage.BlobRenamed")),
    (RESOURCES, of_type("Microsoft.Resources.ResourceDeleteSuccess")),
    ({"subjectEndsWith": ".txt"}, about(BLOB + "c/blobs/notes.txt.bak")),
    ({"subjectBeginsWith": "/A/B"}, about("/A/D/E")),
    ({"subjectBeginsWith": BLOB + "containername/"}, about(BLOB + "containername2/blobs/b")),
    (LOG_JPG, about(BLOB + "mycontainer/blobs/log1.png")),
    (advanced("NumberIn", "data.counter", values=[5, 1]), having("counter", 2)),
    (advanced("NumberNotIn", "data.counter", values=[41, 0]), having("counter", 41)),
    (advanced("NumberLessThan", "data.counter", value=100), having("counter", 100)),
    (advanced("NumberGreaterThan", "data.counter", value=20), having("counter", 20)),
    (advanced("NumberLessThanOrEquals", "data.counter", value=100), having("counter", 101)),
    (advanced("NumberGreaterThanOrEquals", "data.counter", value=30), having("counter", 29)),
    (advanced("NumberInRange", "data.key1", values=TWO_RANGES), having("key1", 999.96)),
    (advanced("NumberNotInRange", "data.key1", values=TWO_RANGES), having("key1", 999.95)),
    (advanced("NumberNotInRange", "data.key1", values=[[3000, 4000]]), having("key1", 3000)),
    (advanced("BoolEquals", "data.isEnabled", value=True), having("isEnabled", False)),
    (advanced("StringContains", "data.key1", values=["microsoft", "azure"]), having("key1", "aws glue")),
    (advanced("StringNotContains", "data.key1", values=["contoso", "fabrikam"]), having("key1", "Contoso Ltd")),
    (advanced("StringBeginsWith", "data.key1", values=["event", "message"]), having("key1", "an event")),
    (advanced("StringNotBeginsWith", "data.key1", values=["event", "message"]), having("key1", "Message")),
    (advanced("StringEndsWith", "data.key1", values=["jpg", "jpeg", "png"]), having("key1", "png.txt")),
    (advanced("StringNotEndsWith", "data.key1", values=["jpg", "jpeg", "png"]), having("key1", "a.PNG")),
    (advanced("StringIn", "data.key1", values=["contoso", "fabrikam", "factory"]), having("key1", "exact")),
    (advanced("StringNotIn", "data.key1", values=["aws", "bridge"]), having("key1", "AWS")),
    (advanced("IsNullOrUndefined", "data.key1"), {"data": {"key1": "any other value"}}),
    (advanced("IsNotNull", "data.key1"), {"data": {"key1": None}}),
    (advanced("IsNotNull", "data.key1"), {"data": {"key2": 5}}),
    (
        advanced("StringContains", "Subject", values=[LAB, VM]),
        about("/subscriptions/0/providers/Microsoft.Web/sites/s"),
    ),
    (
        {
            "advancedFilters": [
                *advanced("StringContains", "Subject", values=[LAB])["advancedFilters"],
                *advanced("StringContains", "Subject", values=[VM])["advancedFilters"],
            ]
        },
        about(f"/subscriptions/0{LAB}lab1"),
    ),
    # The page applies this one to the number 5. By its own rule, operators for strings ignore numbers.
    (advanced("StringBeginsWith", "comexampleothervalue", values=["5", "1"]), CLOUD_EVENT),
    (advanced("IsNotNull", "subject"), CLOUD_EVENT),
    (advanced("StringIn", "Data.color", values=["blue", "red", "green"]), having("color", "yellow")),
    # Edge: an array's "matching operation fails. The incoming event ends up not matching".
    (advanced("NumberIn", "Data.Key1", values=[1, 10, 100]), having("Key1", [1, 10])),
    (advanced("StringNotIn", "RootKey", values=["aws", "bridge"]), {"RootKey": ["azure"]}),
]


@pytest.mark.parametrize(
    ("members", "event", "delivered"),
    [*((*example, True) for example in DELIVERED), *((*example, False) for example in NOT_DELIVERED)],
)
def test_an_example_of_the_pages_delivers_what_the_page_says(
    members: dict[str, Any], event: dict[str, Any], delivered: bool
) -> None:
    """It is within the limits of the service."""
    loaded = EventFilter.model_validate(members)
    assert loaded.matches(event) is delivered
    assert loaded.limits() == []


NOT_MATCHED_IF_MISSING = """NumberGreaterThan, NumberGreaterThanOrEquals, NumberLessThan, NumberLessThanOrEquals,
NumberIn, BoolEquals, StringContains, StringNotContains, StringBeginsWith, StringNotBeginsWith, StringEndsWith,
StringNotEndsWith, StringIn"""
MATCHED_IF_MISSING = "NumberNotIn, StringNotIn"


def test_missing_keys_match_as_the_note_of_the_page_says() -> None:
    """Thirteen operators do not match, two match."""
    operand = {"N": "1", "B": "true", "S": "a"}
    for operators, matched in ((NOT_MATCHED_IF_MISSING, False), (MATCHED_IF_MISSING, True)):
        for operator in operators.replace("\n", " ").split(", "):
            condition = Condition.parse(f"data.key1 {operator} {operand[operator.strip()[0]]}")
            assert condition.matches({"data": {"key2": 5}}) is matched


@pytest.mark.parametrize(("color", "delivered"), [("green", True), ("yellow", False)])
def test_the_how_to_example_matches_in_the_syntax_of_az(color: str, delivered: bool) -> None:
    """`--advanced-filter data.color stringin blue red green`, and the two events that the how-to sends."""
    event = {
        "id": "29763",
        "eventType": "recordInserted",
        "subject": "myapp/vehicles/cars",
        "eventTime": "2017-08-10T21:03:07+00:00",
        "data": {"model": "SUV", "color": color},
        "dataVersion": "1.0",
    }
    assert Condition.parse("data.color stringin blue red green").matches(event) is delivered
