"""samples/gallery/unsaid, and the files about reasons and about many events at once."""

from schemas import Expected, RunStatusChanged
from schemas.events.blobs import BlobCreated
from schemas.events.monitor_alerts import AlertFired, AlertResolved
from schemas.events.watched.deployments import DeploymentFailed, EndpointFailed
from schemas.events.watched.models import ModelTagged, RegistryModelRegistered
from tests.gallery.need import IN_DEV, STEP, SUCCESS, at, need, status
from tests.gallery.notify import card
from tests.gallery.services import Services
from tests.handlers.pipeline.site import DEV


def crashed(services: Services) -> None:
    """A run has failed in its step."""
    services.azure.jobs.fail("crashed", "CUDA out of memory", step="train", log="epoch 4/20\nCUDA out of memory\n")
    services.azure.jobs.start("churn-training", name="crashed", steps=("prepare", "train"))
    services.clock.forward(minutes=1)
    services.azure.clock.forward()


@need("notify/why-a-run-failed", (status("crashed"),), (STEP, SUCCESS), crashed)
def mail_the_reason(services: Services) -> None:
    """Of the step, and not of the pipeline."""
    [mail] = services.mails
    assert mail.subject == "churn-training: CUDA out of memory"
    assert "  epoch 4/20\n" in mail.text


@need(
    "unsaid/failed-deployment",
    (DeploymentFailed.example(), EndpointFailed.example()),
    (DeploymentFailed.example(topic=DEV),),
)
def mail_what_failed(services: Services) -> None:
    deployment, endpoint = sorted(services.mails, key=lambda mail: mail.subject)
    assert deployment.subject == "[churn-prod] Deployment churn-8 of endpoint churn failed"
    assert "User container has crashed or terminated." in deployment.text
    assert endpoint.subject == "[churn-prod] Endpoint churn failed"


@need(
    "unsaid/endpoint-5xx",
    (AlertFired.example(), AlertResolved.example()),
    (AlertFired.example(id="mild", severity="Sev4"), AlertFired.example(id="workspace", endpoint=None)),
)
def mail_the_alert(services: Services) -> None:
    """And that it is over."""
    assert len(services.mails) == 2
    assert any("RequestsPerMinute is 31.5, above 5" in mail.text for mail in services.mails)
    assert any("no longer above 5" in mail.text for mail in services.mails)


@need(
    "unsaid/promoted-by-tag",
    (ModelTagged.example(),),
    (ModelTagged.example(id="other", changed_tags={"auc": "0.9"}),),
)
def post_the_promotion(services: Services) -> None:
    assert "churn" in card(services)


@need(
    "unsaid/new-model-in-registry",
    (RegistryModelRegistered.example(),),
    (RegistryModelRegistered.example(id="other", model_name="pricing"),),
)
def mail_the_new_model(services: Services) -> None:
    [mail] = services.mails
    assert "churn" in mail.subject


def missing(rule: str) -> Expected:
    """What the watch raises when nothing has come that a rule expects."""
    return Expected.example(id=rule, rule=rule, expected="churn-nightly")


@need("unsaid/nightly-run-missing", (missing("mail-missing-nightly-run"),), (missing("another-rule"),))
def mail_that_it_is_missing(services: Services) -> None:
    [mail] = services.mails
    assert mail.subject.startswith("[churn-prod] churn-nightly did not complete by 06:30")


def hangs(services: Services) -> None:
    """One pipeline runs for ever, and another one ends."""
    services.azure.jobs.set_duration(glob="hangs")
    for name in ("hangs", "ends"):
        services.azure.jobs.start("churn-training", name=name)


@need(
    "unsaid/run-does-not-end",
    (status("hangs", "Running"), status("ends", "Running")),
    (status("queued", "Queued"), status("step", "Running", run_type="azureml.StepRun")),
    hangs,
)
def mail_what_hangs(services: Services) -> None:
    """Twelve hours later, Azure ML says which run has ended."""
    [mail] = services.mails
    assert mail.subject == "hangs of churn-training still runs after twelve hours"


def failures(count: int, experiment: str = "churn-sweep") -> tuple[RunStatusChanged, ...]:
    """So many runs that fail in the same minute."""
    return tuple(status(f"{experiment}-{number}", experiment_name=experiment) for number in range(count))


@need("quiet/one-mail-for-many-failures", failures(30), (STEP, SUCCESS))
def mail_once(services: Services) -> None:
    [mail] = services.mails
    assert "30 runs failed" in mail.subject
    assert sum(f"{each.data.run_id} " in mail.text for each in failures(30)) >= 10  # the table shows some of many


@need(
    "quiet/many-failures-in-a-short-time",
    (*failures(12), *failures(9, "few"), IN_DEV),
    (SUCCESS, STEP),
)
def post_once(services: Services) -> None:
    """And nothing about nine runs of another experiment."""
    assert "10 runs" in card(services)


def files(count: int, api: str = "PutBlob") -> tuple[BlobCreated, ...]:
    """So many files that arrive in the same minute."""
    folder = "/blobServices/default/containers/exports/blobs/daily"
    return tuple(
        BlobCreated.example(id=f"{api}-{number}", subject=f"{folder}/{number}.csv", event_time=at(9), api=api)
        for number in range(count)
    )


def cluster(services: Services) -> None:
    """The compute of the job."""
    services.azure.workspaces.add_compute("cpu-cluster", workspace=DEV)


@need("retrain/files-that-arrive", files(20), files(1, "CreateFile"), cluster, dies_after={1})
def start_one_run(services: Services) -> None:
    [job] = services.azure.jobs.all
    assert job["properties"]["inputs"]["reason"]["value"] == "20 files"
    assert f"{DEV}/jobs/" in job["id"]
