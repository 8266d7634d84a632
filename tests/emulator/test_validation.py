"""Request bodies against the schemas: which values are valid, and the message for each kind of problem."""

from typing import Any

import pytest

from emulator import ErrorResponse
from emulator.http.validation import validate

ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


def problems(schema: str, body: Any) -> list[str]:
    """The messages of the error response."""
    with pytest.raises(ErrorResponse) as error:
        validate(body, schema)
    assert (error.value.status, error.value.code) == (400, "ValidationError")
    messages = [str(detail["message"]) for detail in error.value.details]
    assert error.value.message == f"The request is invalid: {messages[0]}."
    return messages


def endpoint(**changes: Any) -> dict[str, Any]:
    return {"location": "westeurope", "properties": {"authMode": "Key"}, **changes}


def deployment(**changes: Any) -> dict[str, Any]:
    return {"location": "westeurope", "properties": {"endpointComputeType": "Managed", **changes}}


def collector(rate: Any) -> dict[str, Any]:
    return deployment(dataCollector={"collections": {"request": {"samplingRate": rate}}})


def command(**changes: Any) -> dict[str, Any]:
    own = {"jobType": "Command", "command": "python train.py", "environmentId": f"{ID}/environments/e/versions/1"}
    return {"properties": {**own, **changes}}


AUTO_ML = {"taskType": "Classification", "trainingData": {"jobInputType": "mltable", "uri": "azureml://x"}}


def sweep(**objective: Any) -> dict[str, Any]:
    trial = {"command": "python train.py", "environmentId": f"{ID}/environments/e/versions/1"}
    own = {"jobType": "Sweep", "samplingAlgorithm": {"samplingAlgorithmType": "Random"}, "searchSpace": {"a": []}}
    return {"properties": {**own, "trial": trial, "objective": {"goal": "x", "primaryMetric": "loss", **objective}}}


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        ("online_endpoint", endpoint()),
        ("online_endpoint", endpoint(id="x", name="x", type="x", systemData={})),  # read-only
        ("online_endpoint", endpoint(tags=None, identity=None)),
        ("online_endpoint", endpoint(tags={})),
        ("online_endpoint", endpoint(sku={"name": "Default", "capacity": 0})),
        ("online_deployment", deployment(appInsightsEnabled=False)),
        ("online_deployment", collector(0.5)),
        ("online_deployment", collector(1)),
        ("online_deployment", deployment(scaleSettings={"scaleType": "TargetUtilization", "minInstances": 1})),
        *(
            ("online_deployment", deployment(requestSettings={"requestTimeout": text}))
            for text in ("PT30S", "P1D", "PT0.5S", "P1DT2H", "PT1H30M")
        ),
        ("model", {"properties": {"modelUri": "azureml://x", "properties": {"auc": 0.9, "epochs": 3, "note": None}}}),
        ("component", {"properties": {"componentSpec": [None]}}),
        ("job", command(resources={"shmSize": "2g", "instanceCount": 1})),
        ("job", command(inputs={"data": {"jobInputType": "uri_folder", "uri": "azureml://x"}})),
        ("job", {"properties": {"jobType": "AutoML", "taskDetails": AUTO_ML}}),
        ("job", sweep(goal="Minimize")),
        ("job", sweep(goal="minimize")),
        ("batch_job", {"properties": {"inputData": {"n": {"jobInputType": "Literal", "value": 1}}}}),
    ],
)
def test_valid_bodies(schema: str, body: Any) -> None:
    validate(body, schema)


@pytest.mark.parametrize(
    ("schema", "body", "expected"),
    [
        ("online_endpoint", [], ["the body must be an object, not an array"]),
        (
            "job",
            sweep(goal="less"),
            ["properties.objective.goal 'less' is not one of Minimize, Maximize, minimize, maximize"],
        ),
        (
            "job",
            {"properties": {"jobType": "Spark", "codeId": "x", "entry": {}}},
            ["properties.entry.sparkJobEntryType is required"],
        ),
        ("online_endpoint", endpoint(location=1), ["location must be a string, not a number"]),
        ("online_endpoint", endpoint(location=""), ["location must have at least 1 character(s)"]),
        ("online_endpoint", endpoint(location=None), ["location is required"]),
        ("online_endpoint", endpoint(tags=[]), ["tags must be an object, not an array"]),
        (
            "online_endpoint",
            endpoint(tags={"a": 1, "b": None}),
            ["tags.a must be a string, not a number", "tags.b must be a string, not null"],
        ),
        ("online_endpoint", endpoint(extra=None), ["extra is not a property of the schema"]),
        (
            "online_endpoint",
            endpoint(sku={"name": "Default", "capacity": True}),
            ["sku.capacity must be an integer, not a boolean"],
        ),
        (
            "online_endpoint",
            endpoint(sku={"name": "Default", "capacity": 1.0}),
            ["sku.capacity must be an integer, not a number"],
        ),
        ("online_endpoint", endpoint(sku={"name": "Default", "capacity": -1}), ["sku.capacity -1 is less than 0"]),
        (
            "online_endpoint",
            endpoint(sku={"name": "Default", "capacity": 2**31}),
            ["sku.capacity 2147483648 is not from -2147483648 to 2147483647"],
        ),
        (
            "online_endpoint",
            endpoint(properties={"authMode": "key"}),
            ["properties.authMode 'key' is not one of AMLToken, Key, AADToken"],
        ),
        ("online_endpoint", {}, ["location is required", "properties is required"]),
        ("online_deployment", collector("1"), ["samplingRate must be a number, not a string"]),
        ("online_deployment", deployment(appInsightsEnabled=0), ["appInsightsEnabled must be a boolean, not a number"]),
        ("online_deployment", deployment(scaleSettings=[]), ["scaleSettings must be an object, not an array"]),
        ("online_deployment", deployment(scaleSettings={}), ["scaleSettings.scaleType is required"]),
        ("online_deployment", deployment(scaleSettings={"scaleType": 1}), ["1 is not one of Default, TargetUtil"]),
        ("online_deployment", deployment(scaleSettings={"scaleType": "c"}), ["'c' is not one of Default, TargetUtil"]),
        (
            "online_deployment",
            deployment(scaleSettings={"scaleType": "Default", "minInstances": 1}),
            ["scaleSettings.minInstances is not a property of the schema"],
        ),
        *(
            (
                "online_deployment",
                deployment(requestSettings={"requestTimeout": text}),
                [f"requestTimeout {text!r} is not an ISO 8601 duration"],
            )
            for text in ("30", "P", "PT", "1D", "PT5")
        ),
        (
            "online_deployment",
            deployment(requestSettings={"requestTimeout": 30}),
            ["requestTimeout must be a string, not a number"],
        ),
        (
            "environment",
            {"properties": {"inferenceConfig": {"scoringRoute": {"path": "/score", "port": 65536}}}},
            ["scoringRoute.port 65536 is greater than 65535"],
        ),
        ("model", {"properties": {"properties": {"auc": {}}}}, ["auc must be a string, not an object"]),
        ("job", command(resources={"dockerArgsList": {}}), ["dockerArgsList must be an array, not an object"]),
        ("job", command(resources={"dockerArgsList": ["a", 1]}), ["dockerArgsList[1] must be a string, not a number"]),
        ("job", command(resources={"shmSize": "2gb"}), ["shmSize '2gb' does not match"]),
        ("job", command(limits={"jobLimitsType": "Sweep"}), ["jobLimitsType 'Sweep' is not one of Command"]),
    ],
)
def test_invalid_bodies_are_reported_with_their_path(schema: str, body: Any, expected: list[str]) -> None:
    found = problems(schema, body)
    assert len(found) == len(expected)
    for message, part in zip(found, expected, strict=True):
        assert part in message


def test_problems_are_reported_in_order() -> None:
    body = {"properties": {"authMode": 1, "traffic": 2}, "extra": 3}
    assert [message.split(" ")[0] for message in problems("online_endpoint", body)] == [
        "location",
        "properties.authMode",
        "properties.traffic",
        "extra",
    ]
