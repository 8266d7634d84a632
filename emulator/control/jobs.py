"""Jobs: started, read and ended; how long they take, and how they end."""

import copy
from collections.abc import Mapping, Sequence
from uuid import NAMESPACE_URL, uuid4, uuid5

from emulator.control.lookup import Lookup
from emulator.http.response import ErrorResponse
from emulator.ml import assets
from emulator.ml.jobs import jobs, lifecycle
from emulator.state.job_plan import Ending, JobDuration, Training
from emulator.state.state import Body, State

# As Azure/azureml-assets, assets/model_monitoring/components/src, "evaluate metrics threshold", writes it.
BREACH_TAG = "azureml_modelmonitor_threshold_breached"
_BREACH = (
    "The signal '{signal}' has failed due to one or more features violating metric thresholds.\nThe feature names and "
    "their corresponding computed metric values violating the threshold are \n[{features}]\n"
)
_FEATURE = (
    '{{"group":"{feature}","metric_value":0.31,"metric_name":"NormalizedWassersteinDistance","threshold_value":0.1}}'
)
_COMPARE = "evaluate_metrics_threshold"


class Jobs:
    """Starts, reads and ends jobs, and plans how later ones run.

    A `glob` selects jobs by name, experiment or display name, and runs of Data Factory by their pipeline. Of several
    plans that match a job, the latest applies.
    """

    def __init__(self, state: State, lookup: Lookup) -> None:
        self._state, self._lookup, self._plan = state, lookup, state.plan.jobs

    @property
    def all(self) -> list[Body]:
        """Every job, the oldest first. Reading them here is no poll."""
        with self._state.transaction():
            self._state.complete_due()
            return [copy.deepcopy(one.body) for one in self._state.of_type(f"workspaces/{jobs.KIND}")]

    def get(self, name: str, *, workspace: str | None = None) -> Body | None:
        """A job; None if it does not exist. Reading it here is no poll."""
        with self._state.transaction():
            self._state.complete_due()
            found = self._state.find(self._id(name, workspace))
            return copy.deepcopy(found.body) if found else None

    def steps(self, name: str, *, workspace: str | None = None) -> dict[str, str]:
        """The statuses of a job's started steps, by name. Raises KeyError if the job does not exist."""
        with self._state.transaction():
            self._state.complete_due()
            run = self._state.runs[self._id(name, workspace).lower()]
            return {step.display_name: step.status for step in lifecycle.children(self._state, run)}

    def start(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        experiment: str,
        *,
        name: str = "",
        steps: Sequence[str] = ("train",),
        tags: Mapping[str, str] | None = None,
        compute: str = "",
        workspace: str | None = None,
    ) -> str:
        """Start a pipeline job as another client would; returns its name. Raises an error response if it exists."""
        body = {"experimentName": experiment, "tags": dict(tags or {}), "computeId": compute or None}
        return self._start(workspace, name, body, steps)

    def raise_drift(
        self,
        signal: str = "churn_monitor_data_drift",
        *,
        monitor: str = "churn-monitor",
        features: Sequence[str] = ("monthly_charges",),
        workspace: str | None = None,
    ) -> str:
        """Run a model monitor that finds drift: a pipeline whose comparing step fails, with a tag that has the reason.

        Returns the name of the monitor's job.
        """
        texts = ", ".join(f"'{_FEATURE.format(feature=feature)}'" for feature in features)
        tags = {BREACH_TAG: _BREACH.format(signal=signal, features=texts)[: jobs.LONGEST_VALUE]}
        error = ErrorResponse(400, "UserError", "One or more features violate metric thresholds.")
        body = {"experimentName": monitor, "displayName": monitor, "properties": {"runSource": "Schedule"}}
        ending = Ending("", "Failed", error, _COMPARE, tags)
        return self._start(workspace, "", body, ("compute_metrics", _COMPARE), ending)

    def end(self, name: str, *, workspace: str | None = None) -> None:
        """End a running job now, as planned. Raises an error response (404) if it does not exist."""
        id = self._id(name, workspace)
        with self._state.transaction():
            self._state.require(id)
            lifecycle.finish(self._state.runs[id.lower()])

    def set_duration(self, seconds: float | None = None, *, polls: int | None = None, glob: str = "*") -> None:
        """How long jobs run that start from now on: `seconds`, or until `polls` reads have found one running.

        With neither, a job runs until `end`. By default it takes one second.
        """
        with self._state.lock:
            self._plan.durations.append((glob, JobDuration(seconds, polls)))

    def fail(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        glob: str = "*",
        message: str = "User program failed with ValueError: could not convert string to float",
        *,
        code: str = "UserError",
        reason: str = "",
        step: str = "",
        log: str = "",
        times: int | None = None,
    ) -> None:
        """Make the next `times` such jobs fail (None: all). In a pipeline, `step` fails, or else the first step.

        `reason` is the code within the code, such as OutOfMemory; `log` is the log of what fails, by default a short
        one with the message.
        """
        more = {"innerError": {"code": reason}} if reason else {}
        error = ErrorResponse(400, code, message, more=more)
        with self._state.lock:
            self._plan.endings.append(Ending(glob, "Failed", error, step, log=log, times=times))

    def log_metrics(self, glob: str, metrics: Mapping[str, float]) -> None:
        """Make such jobs log these metrics."""
        with self._state.lock:
            self._plan.metrics.append((glob, dict(metrics)))

    def cancel(self, glob: str = "*", *, times: int | None = None) -> None:
        """Have another client cancel the next `times` such jobs while they run (None: all)."""
        with self._state.lock:
            self._plan.endings.append(Ending(glob, "Canceled", times=times))

    def register_model(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        glob: str,
        model: str,
        tags: Mapping[str, str] | None = None,
        *,
        version: str = "",
        properties: Mapping[str, str] | None = None,
        type: str = "mlflow_model",
    ) -> None:
        """Make such jobs register a model version, the next one by default, when they complete.

        That raises the event ModelRegistered.
        """
        training = Training(glob, model, version, dict(tags or {}), dict(properties or {}), type)
        with self._state.lock:
            self._plan.trainings.append(training)

    def clear(self) -> None:
        """Drop every plan of `set_duration`, `fail`, `cancel`, `log_metrics` and `register_model`."""
        with self._state.lock:
            for plans in (self._plan.durations, self._plan.endings, self._plan.metrics, self._plan.trainings):
                plans.clear()

    def _id(self, name: str, workspace: str | None) -> str:
        return f"{self._lookup.scope(workspace)}/{jobs.KIND}/{name}"

    def _start(
        self, workspace: str | None, name: str, properties: Body, steps: Sequence[str], ending: Ending | None = None
    ) -> str:
        scope, name = self._lookup.scope(workspace), name or f"job_{uuid4().hex[:12]}"
        with self._state.transaction():
            component = self._component(scope)
            nodes = {step: {"name": step, "type": "command", "componentId": component} for step in steps}
            if self._state.find(f"{scope}/{jobs.KIND}/{name}"):
                raise jobs.immutable(["jobs"])
            jobs.put(self._state, scope, name, {"jobType": "Pipeline", "jobs": nodes, **properties}, ending=ending)
        return name

    def _component(self, scope: str) -> str:
        """The anonymous component of every step; returns its id."""
        id = f"{scope}/components/azureml_anonymous/versions/{uuid5(NAMESPACE_URL, scope)}"
        if self._state.find(id) is None:
            spec = {"name": "azureml_anonymous", "type": "command", "command": "python step.py", "inputs": {}}
            assets.register(self._state, id, {"componentSpec": spec, "isAnonymous": True})
        return id
