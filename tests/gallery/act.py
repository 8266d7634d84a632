"""samples/gallery/deploy, retrain and ci: what is deployed, started and validated."""

from typing import Any

from emulator import Azure
from handlers.deploy.plan import ACTION_TAG
from schemas import ModelRegistered
from tests.gallery.need import CANDIDATE, MODEL_IN_DEV, PRODUCTION, STEP, at, breach, completed, model, need, status
from tests.gallery.notify import card
from tests.gallery.services import APPROVALS, Services
from tests.handlers.deploy.site import EIGHT, PROD, SEVEN
from tests.handlers.pipeline.site import DEV


def serving(services: Services) -> None:
    """Version 7 serves, and version 8 is registered."""
    azure = services.azure
    azure.endpoints.add("churn", traffic={SEVEN: 100})
    seven = azure.models.register("churn", "7", {"stage": "production"})
    azure.endpoints.add_deployment("churn", SEVEN, seven, tags={ACTION_TAG: "of-an-earlier-action"})
    azure.models.register("churn", "8", {"stage": "production"})


def subjects(services: Services) -> list[str]:
    return [mail.subject for mail in services.mails]


@need("deploy/by-tag", (PRODUCTION,), (CANDIDATE, MODEL_IN_DEV), serving, {2, 5, 9})
def deploy_and_mail(services: Services) -> None:
    assert services.azure.endpoints.traffic("churn") == {EIGHT: 100}
    assert services.azure.endpoints.deployments("churn").keys() == {SEVEN, EIGHT}
    assert subjects(services) == ["churn:8: succeeded"]


def registered(services: Services) -> None:
    """Version 8 is in development, and shared to the registry acme."""
    services.azure.models.register("churn", "8", {"stage": "production"}, workspace=DEV)
    services.azure.models.register("churn", "8", registry="acme")


@need("deploy/from-registry", (MODEL_IN_DEV,), (PRODUCTION, model("candidate", topic=DEV)), registered, {2, 5})
def promote(services: Services) -> None:
    [deployment] = services.azure.endpoints.deployments("churn").values()
    assert "registries/acme/models/churn/versions/8" in str(deployment["properties"]["model"])
    assert list(services.azure.endpoints.traffic("churn").values()) == [100]


@need("deploy/for-batch-scoring", (PRODUCTION,), (CANDIDATE,), serving, {2, 5})
def deploy_for_batches(services: Services) -> None:
    assert services.azure.endpoints.default_deployment("churn-batch") == EIGHT


def with_flavor(flavor: str, **changes: Any) -> ModelRegistered:
    """A model in development."""
    return model(flavor, model_tags={"flavor": flavor}, **{"topic": DEV, **changes})


def in_development(services: Services) -> None:
    """Version 8 is registered there."""
    services.azure.models.register("churn", "8", {"flavor": "sklearn"}, workspace=DEV)


@need(
    "deploy/by-flavor",
    (with_flavor("sklearn"),),
    (with_flavor("pytorch"), with_flavor("sklearn", topic=PROD), with_flavor("xgboost", model_name="pricing")),
    in_development,
    {2, 5},
)
def deploy_for_tests(services: Services) -> None:
    assert list(services.azure.endpoints.traffic("churn-test", workspace=DEV).values()) == [100]


def eight_crashes(services: Services) -> None:
    """Deployments of version 8 fail."""
    serving(services)
    services.azure.faults.fail_deployment("churn-8*")


@need("deploy/card-on-rollback", (PRODUCTION,), (CANDIDATE, MODEL_IN_DEV), eight_crashes, {2, 5})
def report_the_rollback(services: Services) -> None:
    assert "User container has crashed or terminated" in card(services)
    assert services.azure.endpoints.traffic("churn") == {SEVEN: 100}
    assert services.azure.endpoints.deployments("churn").keys() == {SEVEN}


def jobs(azure: Azure) -> list[dict[str, str]]:
    """The values of the jobs' inputs."""
    found = [job["properties"] for job in azure.jobs.all]
    return [{name: one.get("value", one.get("uri")) for name, one in job["inputs"].items()} for job in found]


def training_fails(services: Services) -> None:
    """Jobs fail."""
    services.azure.jobs.fail("*", "no such column")


@need(
    "retrain/on-drift-weekly",
    (breach("monday", at(9, 16)), breach("tuesday", at(9, 17))),
    (status("fails"), STEP),
    training_fails,
    {1, 2, 4},
)
def retrain_once(services: Services) -> None:
    [inputs] = jobs(services.azure)
    assert inputs["reason"] == "churn_monitor_data_drift"
    [mail] = services.mails
    assert mail.recipients == ("ml-team@example.com",)
    assert "no such column" in mail.text


FEATURES = completed("features-7", "churn-features")


@need(
    "retrain/after-new-features",
    (FEATURES,),
    (completed("other"), completed("step", "churn-features", run_type="azureml.StepRun")),
    dies_after={1, 2},
)
def train_on_the_features(services: Services) -> None:
    [inputs] = jobs(services.azure)
    assert inputs["reason"] == "features features-7"
    assert services.azure.jobs.all[0]["properties"]["tags"]["features"] == "features-7"


def batch_endpoint(services: Services) -> None:
    """A batch endpoint that serves version 7."""
    services.azure.models.register("churn", "7")
    services.azure.endpoints.add_batch("churn-batch", "churn-7", model="churn:7")


@need(
    "retrain/score-nightly",
    (completed("night", "churn-nightly"),),
    (completed("other"), completed("step", "churn-nightly", run_type="azureml.StepRun")),
    batch_endpoint,
    {1, 2},
)
def score(services: Services) -> None:
    """A worker that dies leaves the action unsure, and starts no second job."""
    [inputs] = jobs(services.azure)
    assert inputs["data"] == "azureml://datastores/workspaceblobstore/paths/nightly/night/"


def factory(services: Services) -> None:
    """A factory with the pipeline."""
    declared = {name: {"type": "String", "defaultValue": ""} for name in ("model", "version", "mlevents_key")}
    services.azure.factories.add("adf-churn", {"publish-reference-data": declared})


@need(
    "retrain/data-factory-after-registration",
    (PRODUCTION,),
    (ModelRegistered.example(model_name="pricing"), completed("x")),
    factory,
    {1, 2},
)
def run_the_factory(services: Services) -> None:
    [run] = services.azure.factories.runs("adf-churn")
    assert (run["pipelineName"], run["parameters"]["version"]) == ("publish-reference-data", "8")


@need(
    "retrain/fabric-after-scoring",
    (completed("scored", "churn-scoring", run_type="azureml.batchrun"),),
    (completed("other"), completed("step", "churn-scoring", run_type="azureml.StepRun")),
    dies_after={1, 2},
)
def refresh_the_reports(services: Services) -> None:
    assert services.fabric.bodies == [{"executionData": {"parameters": {"run": "scored"}}}]


def workflow_fails(services: Services) -> None:
    """The workflow shows the key in the names of its runs, and fails."""
    services.github.run_name = "validate {model} {mlevents_key}"
    services.github.conclusion = "failure"


@need("ci/github-validates-candidates", (CANDIDATE,), (PRODUCTION,), workflow_fails, {1, 2})
def mail_the_rejection(services: Services) -> None:
    [run] = services.github.runs
    assert run["display_title"].startswith("validate churn mle-1-")
    [mail] = services.mails
    assert mail.recipients == ("kim@example.com",)
    assert "validate-candidate failed for model churn:8" in mail.subject


@need("ci/azure-pipelines-then-deploy", (CANDIDATE,), (PRODUCTION,), serving, {1, 2, 6})
def validate_and_deploy(services: Services) -> None:
    [run] = services.devops.runs
    assert run["templateParameters"]["model"] == "churn:8"
    assert services.azure.endpoints.traffic("churn") == {EIGHT: 100}


@need("ci/github-event-on-registration", (CANDIDATE,), (status("fails"),))
def dispatch(services: Services) -> None:
    [sent] = services.github.dispatches
    assert sent["event_type"] == "model-registered"
    assert sent["client_payload"].items() >= {"model": "churn", "version": "8"}.items()


@need("ci/approval-by-logic-app", (CANDIDATE,), (PRODUCTION,), dies_after={1})
def ask(services: Services) -> None:
    """Both requests of a worker that died have one tracking id."""
    assert {request.headers["Host"] for request in services.requests} == {APPROVALS}
    assert len({request.headers["x-ms-client-tracking-id"] for request in services.requests}) == 1
    assert services.requests[0].json()["tags"] == {"stage": "candidate", "owner": "kim@example.com"}
