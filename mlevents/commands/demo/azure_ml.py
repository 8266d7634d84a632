"""The part of `mlevents demo` in which models are deployed by their tags, and drift leads to a deployment.

The app calls the emulated Azure ML with the real azure-ai-ml. What happens there is printed as it happens.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from emulator import Call
from mlevents.commands.demo.stage import Part, Stage

WORKSPACE = "churn-dev"
MODEL, ENDPOINT = "churn", "churn"
_RUN, _PIPELINE = "Microsoft.MachineLearningServices.RunStatusChanged", "azureml.PipelineRun"
_BREACH = "azureml_modelmonitor_threshold_breached"


class Models:
    """Models, and the jobs that make them."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._azure, self._local = stage, stage.azure, stage.local

    @property
    def parts(self) -> Mapping[str, Part]:
        """The parts by their titles."""
        return {
            "A model is registered with the tag stage=production": self._tagged,
            "Another one has another tag": self._untagged,
            "The next one fails when it gets traffic": self._bad,
            "A model monitor finds drift": self._drift,
        }

    def prepare(self) -> None:
        """Print what happens from now on."""
        self._azure.events.subscribe(self._print_event)
        self._azure.calls.after(self._print_call)

    def _tagged(self) -> Iterator[str]:
        self._register("1", {"stage": "production"})
        yield from self._mailed(f"{MODEL}:1 succeeded")
        yield from self._serves(f"{MODEL}-1-", 1)

    def _untagged(self) -> Iterator[str]:
        self._register("2", {"stage": "staging"})
        event = self._azure.events.all[-1]["id"]
        record = self._stage.wait(lambda: next((r for r in self._local.records if r.get("id") == event), None))
        self._stage.print(f"not deployed: the only rule for it is {record['rules']}")
        yield from self._serves(f"{MODEL}-1-", 1)

    def _bad(self) -> Iterator[str]:
        self._register("3", {"stage": "production"})
        name = self._stage.wait(lambda: next((name for name in self._shares() if name.startswith(f"{MODEL}-3-")), None))
        self._stage.print(f"{name} breaks down")
        self._azure.faults.break_deployment(
            ENDPOINT, name, logs="ValueError: could not convert string to float", workspace=WORKSPACE
        )
        yield from self._mailed(f"{MODEL}:3 failed")
        yield from self._serves(f"{MODEL}-1-", 1)

    def _drift(self) -> Iterator[str]:
        self._azure.jobs.register_model("churn-training", MODEL, {"stage": "production"})
        self._azure.jobs.raise_drift(workspace=WORKSPACE)
        yield from self._mailed(f"{MODEL}:4 succeeded")
        yield from self._serves(f"{MODEL}-4-", 2)
        if [*self._stage.jobs.values()] != ["Completed", "Completed"]:
            yield f"two jobs should have completed, one for the file and one for the drift: {self._stage.jobs}"

    def _register(self, version: str, tags: Mapping[str, str]) -> None:
        self._azure.models.register(MODEL, version, tags, workspace=WORKSPACE)

    def _shares(self) -> dict[str, int]:
        if self._azure.endpoints.get(ENDPOINT, workspace=WORKSPACE) is None:
            return {}
        return self._azure.endpoints.traffic(ENDPOINT, workspace=WORKSPACE)

    def _mailed(self, subject: str) -> Iterator[str]:
        """Wait for the mail about this model: it must have this subject, the outcome of the deployment."""
        mail = self._stage.mail(subject.partition(" ")[0] + " ")
        self._stage.console.print(f"           {self._note()}", indent=11)
        if mail.subject != subject:
            yield f"a mail has the subject {mail.subject!r} instead of {subject!r}"

    def _serves(self, prefix: str, deployments: int) -> Iterator[str]:
        shares = self._shares()
        if [(name.startswith(prefix), share) for name, share in shares.items()] != [(True, 100)]:
            yield f"the traffic of {ENDPOINT} should all go to {prefix}…, and goes to {shares}"
        found = list(self._azure.endpoints.deployments(ENDPOINT, workspace=WORKSPACE))
        if len(found) != deployments:
            yield f"the endpoint {ENDPOINT} should have {deployments} deployment(s), and has {', '.join(found)}"

    def _note(self) -> str:
        """The note of the last deploy action that has ended, without the link at its end."""
        settled = [
            r for r in self._local.records if r["name"] == "action.settled" and r["rule"] == "deploy-tagged-models"
        ]
        return str(settled[-1]["note"]).partition(" https://")[0]

    def _print_event(self, event: Mapping[str, Any]) -> None:
        """Print an event that Event Grid delivers; of runs, only the end of a pipeline and the finding of a monitor."""
        kind, data = event["eventType"].rpartition(".")[2], event["data"]
        if event["eventType"] == _RUN and _BREACH in data["runTags"]:
            self._stage.print(f"event {kind}: {data['runTags'][_BREACH].splitlines()[0]}")
        elif event["eventType"] == _RUN:
            if data["runStatus"] == "Failed" and data["runType"] == _PIPELINE:
                self._stage.print(f"event {kind} {data['runId']} Failed")
        elif kind != "RunCompleted" or data["runType"] == _PIPELINE:
            self._stage.print(f"event {kind} {event['subject'].rpartition('/')[2]}")

    def _print_call(self, call: Call) -> None:
        """Print a change that the app made in Azure ML."""
        succeeded = call.status is not None and call.status < 300
        if not succeeded or call.method not in {"PUT", "DELETE"} or "/mlevents/" in call.path:
            return
        kind, name = call.target.split(" ", 1)[1].split("/")[-2:] if "/" in call.target else ("", "")
        if kind == "onlineEndpoints" and call.method == "PUT":
            shares = {each: share for each, share in (call.body["properties"].get("traffic") or {}).items() if share}
            split = ", ".join(f"{each} {share} %" for each, share in shares.items())
            self._stage.print(f"traffic of {name}: {split}" if split else f"endpoint {name} is created")
        elif kind == "deployments":
            self._stage.print(f"deployment {name} is {'created' if call.method == 'PUT' else 'deleted'}")
        elif kind == "jobs":
            self._stage.print(f"job {name} is started")
