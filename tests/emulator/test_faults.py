"""Fault injection, durations of operations, stale and late reads, callbacks, the log of calls."""

from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ServiceResponseError

from emulator import WORKSPACE, Azure, Call
from emulator.http.request import Request
from tests.emulator.conftest import GROUP, NAME, SUBSCRIPTION, Send, refused
from tests.emulator.test_client_online import managed
from tests.emulator.test_refusals import ENDPOINT, deployment

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

DEPLOYMENTS = "onlineEndpoints/churn/deployments"
PATH = f"{DEPLOYMENTS}/churn-7"


@pytest.fixture
def model(azure: Azure) -> str:
    azure.endpoints.add("churn")
    return azure.models.register("churn", "7")


def state(answer: requests.Response) -> str:
    return str(answer.json()["properties"]["provisioningState"])


def with_traffic(**traffic: int) -> dict[str, Any]:
    return {**ENDPOINT, "properties": {"authMode": "AADToken", "traffic": traffic}}


def test_matching_calls_fail_as_planned(azure: Azure, send: Send) -> None:
    """Two of those that match, after the first one."""
    azure.endpoints.add("churn")
    headers = {"Retry-After": "7"}
    azure.faults.fail("GET onlineEndpoints/*", status=429, code="TooManyRequests", times=2, after=1, headers=headers)
    answers = [send("GET", "onlineEndpoints/churn") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 429, 429, 200]
    assert answers[1].headers["Retry-After"] == "7"
    assert refused(answers[1])[1] == "TooManyRequests"
    assert send("GET").status_code == 200


def test_client_retries_a_503(azure: Azure, client: "MLClient") -> None:
    azure.models.register("churn", "7")
    azure.faults.fail("GET models/*", status=503, times=1, headers={"Retry-After": "0"})
    assert client.models.get("churn", "7").version == "7"
    assert [call.status for call in azure.calls.all] == [503, 200]


def test_cleared_faults_have_no_effect(azure: Azure, send: Send) -> None:
    azure.faults.fail(times=None)
    azure.faults.close_before(times=None)
    assert send("GET").status_code == 500
    azure.faults.clear()
    assert send("GET").status_code == 200


@pytest.mark.parametrize("how", ["before", "after"])
def test_connection_closes_before_or_after_the_call_is_applied(azure: Azure, send: Send, how: str) -> None:
    """As when a worker dies before its call, or the response is lost."""
    (azure.faults.close_before if how == "before" else azure.faults.close_after)(2)
    assert send("GET", "onlineEndpoints").status_code == 200
    with pytest.raises(requests.ConnectionError):
        send("PUT", "onlineEndpoints/churn", ENDPOINT)
    assert (azure.endpoints.get("churn") is not None) == (how == "after")
    assert send("GET", "onlineEndpoints").status_code == 200
    closed = azure.calls.all[1]
    assert closed.status is None
    assert closed.line == f"PUT onlineEndpoints/churn 2025-12-01 → closed {how} it was applied, on request"


def test_closing_every_call_also_closes_the_retries_of_the_client(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "")
    impatient: dict[str, Any] = {"retry_total": 2, "retry_backoff_factor": 0}
    client = MLClient(azure.credential(), SUBSCRIPTION, GROUP, NAME, **azure.client_options, **impatient)
    azure.faults.close_before(1, "PUT *", times=None)
    with pytest.raises(ServiceResponseError):
        client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="churn"))
    assert [call.status for call in azure.calls.matching("PUT *")] == [None] * 3
    assert azure.endpoints.get("churn") is None


def test_client_retry_after_a_lost_response_is_a_conflict(
    azure: Azure, client: "MLClient", model: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The client repeats the PUT while the first one is in progress."""
    azure.operations.set_duration(polls=5)
    azure.faults.close_after(1, f"PUT {PATH}")
    with pytest.raises(HttpResponseError, match="in Creating provisioning state"):
        client.online_deployments.begin_create_or_update(managed(model))
    capfd.readouterr()
    assert [call.status for call in azure.calls.matching("PUT *")] == [None, 409]
    assert list(azure.endpoints.deployments("churn")) == ["churn-7"]


def test_provisioning_takes_a_number_of_polls(azure: Azure, send: Send, model: str) -> None:
    """Polls of the operation or the resource count; reads of other resources do not."""
    azure.operations.set_duration(polls=2)
    created = send("PUT", PATH, deployment(model))
    assert (created.status_code, state(created)) == (201, "Creating")
    operation = created.headers["Azure-AsyncOperation"].removeprefix(azure.endpoint).partition("?")[0]
    send("GET", "onlineEndpoints/churn")
    assert state(send("GET", PATH)) == "Creating"
    status = send("GET", operation)
    assert status.json()["status"] == "Updating"
    assert int(status.headers["x-ms-retry-after-ms"]) < 1_000
    assert state(send("GET", PATH)) == "Succeeded"
    assert send("GET", operation).json()["status"] == "Succeeded"


def test_provisioning_takes_a_number_of_seconds(azure: Azure, send: Send, model: str) -> None:
    """By the emulator's clock; polls in between change nothing."""
    azure.operations.set_duration(seconds=600)
    send("PUT", PATH, deployment(model))
    azure.clock.forward(minutes=9)
    assert [state(send("GET", PATH)) for _ in range(3)] == ["Creating"] * 3
    assert len(azure.events.all) == 1
    azure.clock.forward(minutes=1)
    assert [event["subject"] for event in azure.events.all] == ["models/churn:7", "endpoints/churn"]
    assert state(send("GET", PATH)) == "Succeeded"


def test_operation_completes_on_time_without_polls(azure: Azure, send: Send, model: str) -> None:
    """As in `mlevents start`, with the machine's time."""
    received: list[dict[str, Any]] = []
    barrier = Barrier(2)

    def note(event: dict[str, Any]) -> None:
        received.append(event)
        barrier.wait(20)

    azure.operations.set_duration(seconds=0.05)
    azure.events.subscribe(note)
    send("PUT", PATH, deployment(model))
    barrier.wait(20)
    assert received[0]["subject"] == "endpoints/churn"


def test_each_kind_of_operation_has_its_own_duration(azure: Azure, send: Send, model: str) -> None:
    azure.operations.set_duration(polls=0)
    azure.operations.set_duration(polls=7, match="DELETE *")
    assert state(send("PUT", PATH, deployment(model))) == "Succeeded"
    assert send("DELETE", PATH).status_code == 202
    assert state(send("GET", PATH)) == "Deleting"


def test_deletion_can_be_followed_by_its_location(azure: Azure, send: Send, model: str) -> None:
    azure.endpoints.add_deployment("churn", "churn-7", model)
    result = send("DELETE", PATH).headers["Location"].removeprefix(azure.endpoint).partition("?")[0]
    assert [send("GET", result).status_code for _ in range(2)] == [202, 204]


def test_location_of_a_failed_operation_has_the_error(azure: Azure, send: Send, model: str) -> None:
    azure.faults.fail_deployment("churn-7", "out of memory", code="OutOfMemoryError")
    where = send("PUT", PATH, deployment(model)).headers["Azure-AsyncOperation"]
    path = where.removeprefix(azure.endpoint).partition("?")[0]
    assert [send("GET", path).json()["status"] for _ in range(2)] == ["Updating", "Failed"]
    assert send("GET", path).json()["error"]["code"] == "OutOfMemoryError"
    assert refused(send("GET", path.replace("sStatus", "Results")))[1:] == ("OutOfMemoryError", "out of memory")
    azure.faults.fail_deployment("churn-8", endpoint="other")
    assert send("PUT", PATH.replace("7", "8"), deployment(model)).status_code == 201


def test_update_of_a_deployment_applies_at_its_end(azure: Azure, send: Send, model: str) -> None:
    """Until then, and after a failure, reads show the old deployment."""
    azure.endpoints.add_deployment("churn", "churn-7", model)
    assert send("PUT", PATH, deployment(model, description="new")).status_code == 200
    reads = [send("GET", PATH).json()["properties"] for _ in range(2)]
    assert [(one["provisioningState"], one.get("description")) for one in reads] == [
        ("Updating", None),
        ("Succeeded", "new"),
    ]
    azure.faults.fail_deployment("churn-7")
    send("PUT", PATH, deployment(model, description="newer"))
    reads = [send("GET", PATH).json()["properties"] for _ in range(2)]
    assert [(one["provisioningState"], one.get("description")) for one in reads] == [
        ("Updating", "new"),
        ("Failed", "new"),
    ]


def test_reads_are_stale_after_updates(azure: Azure, send: Send, model: str) -> None:
    """All clients share the count. The operation has succeeded meanwhile. A new resource is found at once."""
    azure.operations.set_duration(polls=0)
    azure.faults.stale_reads(2, "onlineEndpoints/churn")
    azure.endpoints.add_deployment("churn", "churn-7", model)
    send("PUT", "onlineEndpoints/churn", with_traffic(**{"churn-7": 100}))
    assert azure.endpoints.traffic("churn") == {"churn-7": 100}
    reads = [send("GET", "onlineEndpoints/churn").json()["properties"] for _ in range(3)]
    assert [properties["traffic"] for properties in reads] == [{}, {}, {"churn-7": 100}]
    assert {properties["provisioningState"] for properties in reads} == {"Succeeded"}
    azure.faults.stale_reads(0)
    send("PUT", "onlineEndpoints/churn", with_traffic())
    assert send("GET", "onlineEndpoints/churn").json()["properties"]["traffic"] == {}


def test_lists_are_stale_and_do_not_count_as_polls(azure: Azure, send: Send, model: str) -> None:
    azure.faults.stale_reads(1)
    azure.endpoints.add_deployment("churn", "churn-7", model)
    azure.operations.set_duration(polls=0)
    send("PUT", "onlineEndpoints/churn", with_traffic(**{"churn-7": 100}))
    azure.operations.set_duration(polls=1)
    send("PUT", PATH.replace("7", "8"), deployment(model))
    for _ in range(3):
        (endpoint,) = send("GET", "onlineEndpoints").json()["value"]
        assert endpoint["properties"]["traffic"] == {}
        states = [one["properties"]["provisioningState"] for one in send("GET", DEPLOYMENTS).json()["value"]]
        assert states == ["Succeeded", "Creating"]
    azure.models.register("price", "1", late_reads=1)
    assert send("GET", "models/price/versions").json()["value"] == []


def test_reads_show_the_old_traffic_until_the_update_completes(azure: Azure, send: Send, model: str) -> None:
    azure.endpoints.add_deployment("churn", "churn-7", model)
    send("PUT", "onlineEndpoints/churn", with_traffic(**{"churn-7": 100}))
    reads = [send("GET", "onlineEndpoints/churn").json()["properties"] for _ in range(2)]
    assert [(one["provisioningState"], one["traffic"]) for one in reads] == [
        ("Updating", {}),
        ("Succeeded", {"churn-7": 100}),
    ]


def test_pending_operation_does_not_recreate_a_deleted_deployment(azure: Azure, send: Send, model: str) -> None:
    """Nor does it block a new one of the same name."""
    azure.operations.set_duration(seconds=60, match="PUT */deployments/*")
    azure.operations.set_duration(polls=0, match="DELETE *")
    send("PUT", PATH, deployment(model))
    send("DELETE", "onlineEndpoints/churn")
    azure.clock.forward(minutes=2)
    assert azure.resource(f"{WORKSPACE}/{PATH}") is None
    assert [event["subject"] for event in azure.events.all] == ["models/churn:7"]
    azure.endpoints.add("churn")
    assert send("PUT", PATH, deployment(model)).status_code == 201
    send("DELETE", "onlineEndpoints/churn")
    azure.endpoints.add("churn")
    assert send("PUT", PATH, deployment(model)).status_code == 201


def test_callbacks_run_before_and_after_each_call(azure: Azure, send: Send) -> None:
    """Before the request is applied, and before the response is sent."""
    log: list[str] = []

    def before(request: Request) -> None:
        log.append(f"before {request.method} {azure.endpoints.get('churn') is not None}")

    def after(call: Call) -> None:
        log.append(f"after {call.status} {azure.endpoints.get('churn') is not None}")

    azure.calls.before(before)
    azure.calls.after(after)
    send("PUT", "onlineEndpoints/churn", ENDPOINT)
    assert log == ["before PUT False", "after 201 True"]


def test_one_of_ten_concurrent_updates_starts_an_operation(azure: Azure, send: Send, model: str) -> None:
    """The others get a conflict."""
    azure.operations.set_duration(seconds=60)
    azure.endpoints.add_deployment("churn", "churn-7", model)
    statuses: list[int] = []
    ready = Barrier(10)

    def change() -> None:
        ready.wait()
        statuses.append(send("PUT", "onlineEndpoints/churn", with_traffic(**{"churn-7": 100})).status_code)

    threads = [Thread(target=change) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [409] * 9
    numbers = [call.number for call in azure.calls.all]
    assert numbers == sorted(numbers)


@pytest.fixture
def lines(azure: Azure, send: Send, model: str) -> list[str]:
    send("PUT", PATH, deployment(model))
    send("GET", PATH)
    send("GET", "onlineEndpoints/other")
    send("GET", "/metadata/endpoints", version="2019-05-01")
    send("PUT", "onlineEndpoints/churn", data=b"not JSON")
    return [call.line for call in azure.calls.all]


def test_log_of_calls_has_one_line_each(azure: Azure, lines: list[str]) -> None:
    assert lines == [
        "PUT onlineEndpoints/churn/deployments/churn-7 2025-12-01 → 201 Creating",
        "GET onlineEndpoints/churn/deployments/churn-7 2025-12-01 → 200 Creating",
        "GET onlineEndpoints/other 2025-12-01 → 404 ResourceNotFound",
        "GET /metadata/endpoints 2019-05-01 → 200",
        "PUT onlineEndpoints/churn 2025-12-01 → 400 InvalidRequestContent",
    ]
    assert azure.calls.all[0].body["properties"]["model"].endswith("/models/churn/versions/7")
    assert azure.calls.all[4].body == "not JSON"


def test_server_and_files_end_with_the_block() -> None:
    with Azure() as azure:
        url, folder = azure.endpoint, azure.ca_file.parent
        assert folder.is_dir()
    assert not folder.exists()
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_endpoint_whose_creation_failed_takes_no_deployments(azure: Azure, send: Send, model: str) -> None:
    """It stays, as Failed."""
    azure.faults.fail_endpoint("price", "no capacity in this region")
    began = send("PUT", "onlineEndpoints/price", ENDPOINT)
    path = began.headers["Azure-AsyncOperation"].removeprefix(azure.endpoint).partition("?")[0]
    assert [send("GET", path).json()["status"] for _ in range(2)] == ["Updating", "Failed"]
    assert send("GET", path).json()["error"]["message"] == "no capacity in this region"
    assert state(send("GET", "onlineEndpoints/price")) == "Failed"
    answer = send("PUT", "onlineEndpoints/price/deployments/churn-7", deployment(model))
    assert "it is in Failed state" in refused(answer)[2]
