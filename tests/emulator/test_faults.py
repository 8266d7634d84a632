"""What the stand-in does on request: what a test of a handler, or a demo, makes happen."""

from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ServiceResponseError

from emulator import WORKSPACE, Azure, Call
from emulator.http.request import Request
from tests.emulator.conftest import GROUP, NAME, SUBSCRIPTION, Ask, refused
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


def test_calls_fail_as_told(azure: Azure, ask: Ask) -> None:
    """So many of those that match, after so many that are spared; then all is as before."""
    azure.endpoints.add("churn")
    headers = {"Retry-After": "7"}
    azure.faults.fail("GET onlineEndpoints/*", status=429, code="TooManyRequests", times=2, after=1, headers=headers)
    answers = [ask("GET", "onlineEndpoints/churn") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 429, 429, 200]
    assert answers[1].headers["Retry-After"] == "7"
    assert refused(answers[1])[1] == "TooManyRequests"
    assert ask("GET").status_code == 200


def test_the_client_tries_again_what_fails_for_a_moment(azure: Azure, client: "MLClient") -> None:
    azure.models.register("churn", "7")
    azure.faults.fail("GET models/*", status=503, times=1, headers={"Retry-After": "0"})
    assert client.models.get("churn", "7").version == "7"
    assert [call.status for call in azure.calls.all] == [503, 200]


def test_what_is_healed_fails_no_more(azure: Azure, ask: Ask) -> None:
    azure.faults.fail(times=None)
    azure.faults.close_before(times=None)
    assert ask("GET").status_code == 500
    azure.faults.clear()
    assert ask("GET").status_code == 200


@pytest.mark.parametrize("how", ["before", "after"])
def test_connections_close_instead_of_an_answer(azure: Azure, ask: Ask, how: str) -> None:
    """Before the call was applied, or after: that is where a worker may die, and where an answer gets lost."""
    (azure.faults.close_before if how == "before" else azure.faults.close_after)(2)
    assert ask("GET", "onlineEndpoints").status_code == 200
    with pytest.raises(requests.ConnectionError):
        ask("PUT", "onlineEndpoints/churn", ENDPOINT)
    assert (azure.endpoints.get("churn") is not None) == (how == "after")
    assert ask("GET", "onlineEndpoints").status_code == 200
    closed = azure.calls.all[1]
    assert closed.status is None
    assert closed.line == f"PUT onlineEndpoints/churn 2025-12-01 → closed {how} it was applied, on request"


def test_who_is_dead_stays_dead(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nth call and all after it: the client's own further attempts do not get through either."""
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


def test_an_answer_that_got_lost_is_met_again_by_the_client(
    azure: Azure, client: "MLClient", model: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """It sends the PUT once more, which is a conflict while the first is under way."""
    azure.operations.set_duration(polls=5)
    azure.faults.close_after(1, f"PUT {PATH}")
    with pytest.raises(HttpResponseError, match="in Creating provisioning state"):
        client.online_deployments.begin_create_or_update(managed(model))
    capfd.readouterr()
    assert [call.status for call in azure.calls.matching("PUT *")] == [None, 409]
    assert list(azure.endpoints.deployments("churn")) == ["churn-7"]


def test_provisioning_takes_so_many_looks(azure: Azure, ask: Ask, model: str) -> None:
    """At the operation or at the resource; a look at another one is none."""
    azure.operations.set_duration(polls=2)
    begun = ask("PUT", PATH, deployment(model))
    assert (begun.status_code, state(begun)) == (201, "Creating")
    operation = begun.headers["Azure-AsyncOperation"].removeprefix(azure.endpoint).partition("?")[0]
    ask("GET", "onlineEndpoints/churn")
    assert state(ask("GET", PATH)) == "Creating"
    looked = ask("GET", operation)
    assert looked.json()["status"] == "InProgress"
    assert int(looked.headers["x-ms-retry-after-ms"]) < 1_000
    assert state(ask("GET", PATH)) == "Succeeded"
    assert ask("GET", operation).json()["status"] == "Succeeded"


def test_provisioning_takes_so_long(azure: Azure, ask: Ask, model: str) -> None:
    """By a clock that can be moved; whoever looks in between changes nothing."""
    azure.operations.set_duration(seconds=600)
    ask("PUT", PATH, deployment(model))
    azure.clock.forward(minutes=9)
    assert [state(ask("GET", PATH)) for _ in range(3)] == ["Creating"] * 3
    assert len(azure.events.all) == 1
    azure.clock.forward(minutes=1)
    assert [event["subject"] for event in azure.events.all] == ["models/churn:7", "endpoints/churn"]
    assert state(ask("GET", PATH)) == "Succeeded"


def test_what_takes_time_ends_though_nobody_looks(azure: Azure, ask: Ask, model: str) -> None:
    """As for `mlevents start`, where the time is the machine's."""
    told: list[dict[str, Any]] = []
    barrier = Barrier(2)

    def note(event: dict[str, Any]) -> None:
        told.append(event)
        barrier.wait(20)

    azure.operations.set_duration(seconds=0.05)
    azure.events.subscribe(note)
    ask("PUT", PATH, deployment(model))
    barrier.wait(20)
    assert told[0]["subject"] == "endpoints/churn"


def test_each_kind_of_operation_has_its_own_pace(azure: Azure, ask: Ask, model: str) -> None:
    azure.operations.set_duration(polls=0)
    azure.operations.set_duration(polls=7, match="DELETE *")
    assert state(ask("PUT", PATH, deployment(model))) == "Succeeded"
    assert ask("DELETE", PATH).status_code == 202
    assert state(ask("GET", PATH)) == "Deleting"


def test_the_location_of_a_deletion_can_be_followed(azure: Azure, ask: Ask, model: str) -> None:
    azure.endpoints.add_deployment("churn", "churn-7", model)
    result = ask("DELETE", PATH).headers["Location"].removeprefix(azure.endpoint).partition("?")[0]
    assert [ask("GET", result).status_code for _ in range(2)] == [202, 204]


def test_a_failed_operation_s_location_has_the_error(azure: Azure, ask: Ask, model: str) -> None:
    azure.faults.fail_deployment("churn-7", "out of memory", code="OutOfMemoryError")
    where = ask("PUT", PATH, deployment(model)).headers["Azure-AsyncOperation"]
    path = where.removeprefix(azure.endpoint).partition("?")[0]
    assert [ask("GET", path).json()["status"] for _ in range(2)] == ["InProgress", "Failed"]
    assert ask("GET", path).json()["error"]["code"] == "OutOfMemoryError"
    assert refused(ask("GET", path.replace("sStatus", "Results")))[1:] == ("OutOfMemoryError", "out of memory")
    azure.faults.fail_deployment("churn-8", endpoint="other")
    assert ask("PUT", PATH.replace("7", "8"), deployment(model)).status_code == 201


def test_a_deployment_is_updated(azure: Azure, ask: Ask, model: str) -> None:
    """Its old self is seen until it is done; one whose update fails keeps it."""
    azure.endpoints.add_deployment("churn", "churn-7", model)
    assert ask("PUT", PATH, deployment(model, description="new")).status_code == 200
    seen = [ask("GET", PATH).json()["properties"] for _ in range(2)]
    assert [(one["provisioningState"], one.get("description")) for one in seen] == [
        ("Updating", None),
        ("Succeeded", "new"),
    ]
    azure.faults.fail_deployment("churn-7")
    ask("PUT", PATH, deployment(model, description="newer"))
    seen = [ask("GET", PATH).json()["properties"] for _ in range(2)]
    assert [(one["provisioningState"], one.get("description")) for one in seen] == [
        ("Updating", "new"),
        ("Failed", "new"),
    ]


def test_reads_are_stale_after_updates(azure: Azure, ask: Ask, model: str) -> None:
    """So many, whoever reads; the operation has succeeded all the while. What has just been made is seen at once."""
    azure.operations.set_duration(polls=0)
    azure.faults.stale_reads(2, "onlineEndpoints/churn")
    azure.endpoints.add_deployment("churn", "churn-7", model)
    ask("PUT", "onlineEndpoints/churn", with_traffic(**{"churn-7": 100}))
    assert azure.endpoints.traffic("churn") == {"churn-7": 100}
    seen = [ask("GET", "onlineEndpoints/churn").json()["properties"] for _ in range(3)]
    assert [properties["traffic"] for properties in seen] == [{}, {}, {"churn-7": 100}]
    assert {properties["provisioningState"] for properties in seen} == {"Succeeded"}
    azure.faults.stale_reads(0)
    ask("PUT", "onlineEndpoints/churn", with_traffic())
    assert ask("GET", "onlineEndpoints/churn").json()["properties"]["traffic"] == {}


def test_lists_are_stale_as_reads_are_and_are_no_looks(azure: Azure, ask: Ask, model: str) -> None:
    azure.faults.stale_reads(1)
    azure.endpoints.add_deployment("churn", "churn-7", model)
    azure.operations.set_duration(polls=0)
    ask("PUT", "onlineEndpoints/churn", with_traffic(**{"churn-7": 100}))
    azure.operations.set_duration(polls=1)
    ask("PUT", PATH.replace("7", "8"), deployment(model))
    for _ in range(3):
        (endpoint,) = ask("GET", "onlineEndpoints").json()["value"]
        assert endpoint["properties"]["traffic"] == {}
        states = [one["properties"]["provisioningState"] for one in ask("GET", DEPLOYMENTS).json()["value"]]
        assert states == ["Succeeded", "Creating"]
    azure.models.register("price", "1", late_reads=1)
    assert ask("GET", "models/price/versions").json()["value"] == []


def test_an_update_shows_the_old_traffic_until_it_is_done(azure: Azure, ask: Ask, model: str) -> None:
    azure.endpoints.add_deployment("churn", "churn-7", model)
    ask("PUT", "onlineEndpoints/churn", with_traffic(**{"churn-7": 100}))
    seen = [ask("GET", "onlineEndpoints/churn").json()["properties"] for _ in range(2)]
    assert [(one["provisioningState"], one["traffic"]) for one in seen] == [
        ("Updating", {}),
        ("Succeeded", {"churn-7": 100}),
    ]


def test_what_is_deleted_meanwhile_does_not_come_back(azure: Azure, ask: Ask, model: str) -> None:
    """Nor does it hinder what is made anew under its name."""
    azure.operations.set_duration(seconds=60, match="PUT */deployments/*")
    azure.operations.set_duration(polls=0, match="DELETE *")
    ask("PUT", PATH, deployment(model))
    ask("DELETE", "onlineEndpoints/churn")
    azure.clock.forward(minutes=2)
    assert azure.resource(f"{WORKSPACE}/{PATH}") is None
    assert [event["subject"] for event in azure.events.all] == ["models/churn:7"]
    azure.endpoints.add("churn")
    assert ask("PUT", PATH, deployment(model)).status_code == 201
    ask("DELETE", "onlineEndpoints/churn")
    azure.endpoints.add("churn")
    assert ask("PUT", PATH, deployment(model)).status_code == 201


def test_everyone_is_told_of_calls(azure: Azure, ask: Ask) -> None:
    """Before anything is done about a request, and before its answer goes out: there a test can kill a worker."""
    seen: list[str] = []

    def before(request: Request) -> None:
        seen.append(f"asked {request.method} {azure.endpoints.get('churn') is not None}")

    def after(call: Call) -> None:
        seen.append(f"done {call.status} {azure.endpoints.get('churn') is not None}")

    azure.calls.before(before)
    azure.calls.after(after)
    ask("PUT", "onlineEndpoints/churn", ENDPOINT)
    assert seen == ["asked PUT False", "done 201 True"]


def test_many_threads_at_once(azure: Azure, ask: Ask, model: str) -> None:
    """Of ten that want to change an endpoint one does; the others meet its operation."""
    azure.operations.set_duration(seconds=60)
    azure.endpoints.add_deployment("churn", "churn-7", model)
    statuses: list[int] = []
    ready = Barrier(10)

    def change() -> None:
        ready.wait()
        statuses.append(ask("PUT", "onlineEndpoints/churn", with_traffic(**{"churn-7": 100})).status_code)

    threads = [Thread(target=change) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [409] * 9
    numbers = [call.number for call in azure.calls.all]
    assert numbers == sorted(numbers)


@pytest.fixture
def lines(azure: Azure, ask: Ask, model: str) -> list[str]:
    ask("PUT", PATH, deployment(model))
    ask("GET", PATH)
    ask("GET", "onlineEndpoints/other")
    ask("GET", "/metadata/endpoints", version="2019-05-01")
    ask("PUT", "onlineEndpoints/churn", data=b"not JSON")
    return [call.line for call in azure.calls.all]


def test_the_log_of_calls_is_readable(azure: Azure, lines: list[str]) -> None:
    assert lines == [
        "PUT onlineEndpoints/churn/deployments/churn-7 2025-12-01 → 201 Creating",
        "GET onlineEndpoints/churn/deployments/churn-7 2025-12-01 → 200 Creating",
        "GET onlineEndpoints/other 2025-12-01 → 404 ResourceNotFound",
        "GET /metadata/endpoints 2019-05-01 → 200",
        "PUT onlineEndpoints/churn 2025-12-01 → 400 InvalidRequestContent",
    ]
    assert azure.calls.all[0].body["properties"]["model"].endswith("/models/churn/versions/7")
    assert azure.calls.all[4].body == "not JSON"


def test_it_ends_with_its_block() -> None:
    with Azure() as azure:
        url, folder = azure.endpoint, azure.ca_file.parent
        assert folder.is_dir()
    assert not folder.exists()
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_an_endpoint_cannot_be_made(azure: Azure, ask: Ask, model: str) -> None:
    """It stays, Failed, and takes no deployments."""
    azure.faults.fail_endpoint("price", "no capacity in this region")
    began = ask("PUT", "onlineEndpoints/price", ENDPOINT)
    path = began.headers["Azure-AsyncOperation"].removeprefix(azure.endpoint).partition("?")[0]
    assert [ask("GET", path).json()["status"] for _ in range(2)] == ["InProgress", "Failed"]
    assert ask("GET", path).json()["error"]["message"] == "no capacity in this region"
    assert state(ask("GET", "onlineEndpoints/price")) == "Failed"
    answer = ask("PUT", "onlineEndpoints/price/deployments/churn-7", deployment(model))
    assert "it is in Failed state" in refused(answer)[2]
