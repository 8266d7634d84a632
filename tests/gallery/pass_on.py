"""samples/gallery/pass-on and quiet: what others get, and what nobody gets."""

import json
from datetime import UTC, datetime

from standardwebhooks import Webhook

from schemas import DatasetDriftDetected, ModelDeployed
from tests.gallery.need import CANDIDATE, IN_DEV, MODEL_IN_DEV, PRODUCTION, STEP, SUCCESS, at, completed, need, status
from tests.gallery.notify import card
from tests.gallery.services import GIVEN, Services


@need(
    "pass-on/data-lake-archive",
    (status("f"), IN_DEV, completed("c"), PRODUCTION, ModelDeployed.example(), DatasetDriftDetected.example()),
    (),
    dies_after={1, 3},
)
def archive(services: Services) -> None:
    """Every event is a line, once."""
    lines = services.lines()
    folders = {name: len(found) for name, found in lines.items()}
    day = "date=2026-11-22/events.jsonl"
    assert folders == {f"workspace=churn-prod/{day}": 5, f"workspace=churn-dev/{day}": 1}
    assert lines[f"workspace=churn-dev/{day}"][0]["id"] == "in-dev"


@need("pass-on/service-bus-for-another-team", (PRODUCTION,), (CANDIDATE,), dies_after={1})
def queue_the_model(services: Services) -> None:
    """Service Bus drops the second message with one MessageId."""
    messages = {properties["MessageId"]: (path, properties, body) for path, properties, body in services.bus.sent}
    [(path, properties, body)] = messages.values()
    assert (path, properties["SessionId"]) == ("/ready-models", "churn")
    event = json.loads(body)
    assert (event["type"], event["data"]["model"], event["data"]["version"]) == ("Acme.Ml.ModelReady", "churn", "8")


@need("pass-on/event-grid-fan-out", (PRODUCTION,), (MODEL_IN_DEV,), dies_after={1})
def publish(services: Services) -> None:
    """Both copies have one id."""
    found = [event for [event] in services.bodies("ml.westeurope-1.eventgrid.azure.net")]
    assert len({event["id"] for event in found}) == 1
    assert (found[0]["type"], found[0]["subject"]) == ("Acme.Ml.ModelRegistered", "models/churn")
    assert found[0]["data"] == {"model": "churn", "version": "8", "team": "churn"}


@need("pass-on/event-hub-for-dashboards", (status("f"), SUCCESS), (completed("c"),))
def stream(services: Services) -> None:
    statuses = {}
    for path, properties, body in services.hubs.sent:
        data = json.loads(body)["data"]
        assert (path, properties["PartitionKey"]) == ("/ml-runs", data["run"])
        statuses[data["run"]] = (data["status"], data["workspace"])
    assert statuses == {"f": ("Failed", "churn-prod"), "a-success": ("Completed", "churn-prod")}
    assert len(services.hubs.sent) == 2


@need(
    "pass-on/queue-for-a-function", (completed("done"),), (completed("step", run_type="azureml.StepRun"), status("f"))
)
def put_into_the_queue(services: Services) -> None:
    [message] = services.messages()
    assert (message["id"], message["data"]["runId"]) == ("done", "done")


@need("pass-on/signed-webhook", (PRODUCTION,), (MODEL_IN_DEV,), dies_after={1})
def sign(services: Services) -> None:
    """Both requests of a worker that died have one webhook-id."""
    assert len({request.headers["webhook-id"] for request in services.requests}) == 1
    for request in services.requests:
        id, moment = request.headers["webhook-id"], int(request.headers["webhook-timestamp"])
        signed = Webhook(GIVEN["RULES_HOOK_SECRET"]).sign(id, datetime.fromtimestamp(moment, UTC), request.text)
        assert request.headers["webhook-signature"] == signed
        assert request.json()["data"]["modelVersion"] == "8"


@need("quiet/whole-pipelines-only", (status("whole"), STEP), (STEP, SUCCESS))
def mail_the_pipeline(services: Services) -> None:
    [mail] = services.mails
    assert "Run whole failed" in mail.subject


@need(
    "quiet/one-mail-a-day-per-experiment",
    (
        status("first", event_time=at(1)),
        status("second", event_time=at(5)),
        status("other", event_time=at(6), experiment_name="pricing"),
        status("tomorrow", event_time=at(2, 23)),
    ),
    (STEP, SUCCESS),
)
def mail_once_a_day(services: Services) -> None:
    assert [mail.subject.split()[2] for mail in services.mails] == ["first", "other", "tomorrow"]


@need(
    "quiet/latest-status-only",
    (
        status("end", "Completed", run_id="a-run", event_time=at(9)),
        status("late", "Running", run_id="a-run", event_time=at(10)),
    ),
    (status("queued", "Queued"), STEP, status("other", experiment_name="pricing")),
)
def post_the_latest(services: Services) -> None:
    """A run that has ended stays ended."""
    assert "completed" in card(services)


@need("quiet/try-before", (PRODUCTION,), (CANDIDATE,))
def do_nothing(services: Services) -> None:
    [mail] = services.mails
    assert mail.subject.startswith("churn:8: dry run: deploy churn:8 behind the endpoint churn of churn-prod")
    assert not [call for call in services.azure.calls.all if call.method != "GET"]
