"""Jobs and runs on request: how long they take, how they end, what comes of them."""

from collections.abc import Mapping, Sequence
from uuid import NAMESPACE_URL, uuid4, uuid5

from emulator.control.handle import Handle
from emulator.ml import assets, jobs, lifecycle
from emulator.state.jobscript import Ending, JobPace, Training
from emulator.state.state import Body
from emulator.wire import Refusal

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


class JobControl(Handle):
    """Takes requests. A glob is for a job's name, experiment or display name, or for the pipeline of Data Factory."""

    def job_takes(self, seconds: float | None = None, *, looks: int | None = None, glob: str = "*") -> None:
        """How long jobs take that start from now on: so many seconds, or so many looks at one find it running.

        Neither: until `end_job`. If nothing is said, a job takes one second.
        """
        with self.world.lock:
            self.world.script.jobs.paces.append((glob, JobPace(seconds, looks)))

    def fail_job(
        self,
        glob: str = "*",
        message: str = "User program failed with ValueError: could not convert string to float",
        *,
        code: str = "UserError",
        step: str = "",
        times: int | None = None,
    ) -> None:
        """Such jobs fail, so many of them; None: all from then on. Of a pipeline one step does, the first or `step`."""
        ending = Ending(glob, "Failed", Refusal(400, code, message), step, times=times)
        with self.world.lock:
            self.world.script.jobs.endings.append(ending)

    def cancel_job(self, glob: str = "*", *, times: int | None = None) -> None:
        """Such jobs are canceled by somebody while they run."""
        with self.world.lock:
            self.world.script.jobs.endings.append(Ending(glob, "Canceled", times=times))

    def job_registers(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        glob: str,
        model: str,
        tags: Mapping[str, str] | None = None,
        *,
        version: str = "",
        properties: Mapping[str, str] | None = None,
        type: str = "mlflow_model",
    ) -> None:
        """Such jobs register a model when they complete, by default its next version: that raises ModelRegistered."""
        training = Training(glob, model, version, dict(tags or {}), dict(properties or {}), type)
        with self.world.lock:
            self.world.script.jobs.trainings.append(training)

    def let_jobs_be(self) -> None:
        """Take back `job_takes`, `fail_job`, `cancel_job` and `job_registers`."""
        script = self.world.script.jobs
        with self.world.lock:
            for requests in (script.paces, script.endings, script.trainings):
                requests.clear()

    def unlisted_runs(self, queries: int) -> None:
        """A new run of Data Factory is not shown by so many queries yet."""
        with self.world.lock:
            self.world.script.jobs.unlisted = queries

    def start_job(
        self,
        experiment: str,
        *,
        name: str = "",
        steps: Sequence[str] = ("train",),
        tags: Mapping[str, str] | None = None,
        workspace: str | None = None,
    ) -> str:
        """Start a pipeline as somebody else would; returns its name. Raises Refusal if there is such a job."""
        return self._start(workspace, name, {"experimentName": experiment, "tags": dict(tags or {})}, steps)

    def raise_drift(
        self,
        signal: str = "churn_monitor_data_drift",
        *,
        monitor: str = "churn-monitor",
        features: Sequence[str] = ("monthly_charges",),
        workspace: str | None = None,
    ) -> str:
        """A model monitor finds drift: it runs, as a pipeline, whose comparing step fails, with a tag that says why.

        Returns the name of the monitor's job.
        """
        texts = ", ".join(f"'{_FEATURE.format(feature=feature)}'" for feature in features)
        tags = {BREACH_TAG: _BREACH.format(signal=signal, features=texts)[: jobs.LONGEST_VALUE]}
        error = Refusal(400, "UserError", "One or more features violate metric thresholds.")
        body = {"experimentName": monitor, "displayName": monitor, "properties": {"runSource": "Schedule"}}
        ending = Ending("", "Failed", error, _COMPARE, tags)
        return self._start(workspace, "", body, ("compute_metrics", _COMPARE), ending)

    def end_job(self, name: str, *, workspace: str | None = None) -> None:
        """A job that has not ended does so now, as well or badly as it would. Raises Refusal if there is none."""
        id = f"{self._scope(workspace)}/{jobs.KIND}/{name}"
        with self.world.changing():
            self.world.need(id)
            lifecycle.finish(self.world.runs[id.lower()])

    def _start(
        self, workspace: str | None, name: str, properties: Body, steps: Sequence[str], ending: Ending | None = None
    ) -> str:
        scope, name = self._scope(workspace), name or f"job_{uuid4().hex[:12]}"
        with self.world.changing():
            nodes = {step: {"name": step, "type": "command", "componentId": self._component(scope)} for step in steps}
            if self.world.find(f"{scope}/{jobs.KIND}/{name}"):
                raise jobs.immutable(["jobs"])
            jobs.put(self.world, scope, name, {"jobType": "Pipeline", "jobs": nodes, **properties}, ending=ending)
        return name

    def _component(self, scope: str) -> str:
        """What the steps run whose code nobody sees."""
        id = f"{scope}/components/azureml_anonymous/versions/{uuid5(NAMESPACE_URL, scope)}"
        if self.world.find(id) is None:
            spec = {"name": "azureml_anonymous", "type": "command", "command": "python step.py", "inputs": {}}
            assets.register(self.world, id, {"componentSpec": spec, "isAnonymous": True})
        return id
