"""`Facts`: what the service knows beside an event: the `run`, `model` or `endpoint` that the event is about.

Conditions and templates read them as plain data (`Facts.view`). A value that the service does not have is None, and is
missing in the view. Everything is optional: services leave out fields, and permissions differ from service to service.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Facts(_Part):
    """What the service knows about one object."""

    unavailable: str | None = None  # why nothing is known, in a few words: "HTTP 403: …", "no answer within 10 s"
    missing: tuple[str, ...] = ()  # parts that could not be read, and why: "the log: HTTP 403 from churnstore"
    # May the same request succeed later? Then what is unavailable or missing is not kept for other actions.
    transient: bool = Field(default=False, exclude=True)

    @classmethod
    def without(cls, reason: str, *, transient: bool = False) -> Self:
        """Facts that nothing is known of, and why. `transient`: asking again later may help."""
        return cls(unavailable=reason, transient=transient)

    def view(self) -> dict[str, Any]:
        """The plain data that conditions and templates read. Values that are not known are left out."""
        return self.model_dump(mode="json", exclude_none=True)


class RunError(_Part):
    """Why a run failed: the error of the step that failed, not of the pipeline around it."""

    code: str | None = None  # the innermost code that says most: "UserError", "OutOfMemory"
    message: str | None = None


class Step(_Part):
    """The step that failed first; empty if the run is no pipeline, or did not fail in a step."""

    id: str | None = None  # of the step's run
    name: str | None = None  # as the studio shows it: "train"
    url: str | None = None  # the page of the step's run in the studio


class Compute(_Part):
    """Where a run ran; of a pipeline that failed, where its failed step ran."""

    name: str | None = None  # of the compute target; None for serverless compute
    type: str | None = None  # "AmlCompute", "Kubernetes", "Serverless", "ComputeInstance" …
    size: str | None = None  # of the virtual machines: "Standard_NC24ads_A100_v4"
    nodes: int | None = None


class ParentRun(_Part):
    """The run that started this one: the pipeline of a step, the sweep of a trial."""

    id: str | None = None
    name: str | None = None  # its display name, or its id if it has none
    url: str | None = None


class RunFacts(Facts):
    """A run."""

    id: str | None = None
    display_name: str | None = None
    status: str | None = None
    experiment: str | None = None
    description: str | None = None
    type: str | None = None  # as in the studio: "pipeline", "command", "sweep", "automl"
    error: RunError = RunError()
    failing_step: Step = Step()
    compute: Compute = Compute()
    parent: ParentRun = ParentRun()
    owner: str | None = None  # the display name of the user or the application that submitted the run
    started: str | None = None  # as in an event: "2026-11-22T09:12:44Z"
    ended: str | None = None
    duration: float | None = None  # seconds of running; without the time in a queue if the service reports it
    metrics: Mapping[str, float | str] = Field(default_factory=dict)  # the last value of each
    log_tail: str | None = None  # the last lines of the log of the failed step, or of the run
    log_file: str | None = None  # the name of that log: "user_logs/std_log.txt"
    url: str | None = None  # the page of the run in the studio
    notebook: str | None = None  # the notebook or script that submitted the run: "train.ipynb"


class Serving(_Part):
    """A deployment that serves a version of the model now."""

    version: str | None = None
    endpoint: str | None = None
    deployment: str | None = None
    traffic: float | None = None  # percent of the endpoint's traffic


class ModelFacts(Facts):
    """A version of a registered model."""

    name: str | None = None
    version: str | None = None
    description: str | None = None
    type: str | None = None  # "mlflow_model", "custom_model", "triton_model"
    flavor: str | None = None  # of an MLflow model, the most specific: "sklearn", "pytorch"
    stage: str | None = None  # of the model's registry, or its tag `stage`
    tags: Mapping[str, str] = Field(default_factory=dict)  # as they are now
    registered_by: str | None = None
    registered: str | None = None  # as in an event
    run_id: str | None = None  # the run that made it
    run_name: str | None = None
    run_url: str | None = None
    metrics: Mapping[str, float | str] = Field(default_factory=dict)  # of that run
    serving: tuple[Serving, ...] = ()  # deployments of any version of this model, the most traffic first
    serving_version: str | None = None  # the version that gets the most traffic now
    url: str | None = None


class DeploymentFacts(_Part):
    """A deployment of an endpoint."""

    name: str | None = None
    state: str | None = None  # "Succeeded", "Failed", "Updating" …
    traffic: float | None = None  # percent
    model: str | None = None  # name:version, or what the deployment has instead of a registered model
    size: str | None = None  # of the virtual machines
    instances: int | None = None


class EndpointFacts(Facts):
    """An online or batch endpoint."""

    name: str | None = None
    kind: str | None = None  # "online" or "batch"
    state: str | None = None  # the provisioning state: "Succeeded", "Failed" …
    description: str | None = None
    tags: Mapping[str, str] = Field(default_factory=dict)
    traffic: Mapping[str, float] = Field(default_factory=dict)  # deployment -> percent; of batch, the default has 100
    deployments: tuple[DeploymentFacts, ...] = ()
    url: str | None = None


# The names in conditions and templates -> what they have. An event type lists its own in `Event.facts`.
FACTS: Mapping[str, type[Facts]] = {"run": RunFacts, "model": ModelFacts, "endpoint": EndpointFacts}
