"""The scenario of `mlevents demo` in Azure ML: models are deployed by their tags, and drift leads to a deployment.

The app calls the emulated Azure ML with the real azure-ai-ml. The scenario prints events and calls as they happen.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from emulator import Call
from mlevents.console import Console
from mlevents.local.app import LocalApp

WORKSPACE = "churn-dev"
LONGEST = 240.0  # seconds for each part; fifteen are usual
MODEL, ENDPOINT = "churn", "churn"
_RUN = "Microsoft.MachineLearningServices.RunStatusChanged"


class Scenario:
    """Plays the scenario in a running app, and checks its effects."""

    def __init__(self, local: LocalApp, console: Console) -> None:
        self._local, self._azure, self._console = local, local.azure, console
        self._started = time.monotonic()

    def play(self) -> list[str]:
        """Play all parts; returns a line for each unexpected effect."""
        self._prepare()
        parts: dict[str, Callable[[], Iterator[str]]] = {
            "A model is registered with the tag stage=production": self._tagged,
            "Another one has another tag": self._untagged,
            "The next one fails when it gets traffic": self._bad,
            "A model monitor finds drift": self._drift,
        }
        errors: list[str] = []
        for title, part in parts.items():
            self._console.print()
            self._console.print(title, "bold")
            self._started = time.monotonic()
            try:
                errors += part()
            except TimeoutError:
                errors += [f"{title}: it took longer than {LONGEST:.0f} s; the app printed:", *self._local.lines]
                break
        self._console.print()
        return errors

    def _prepare(self) -> None:
        azure = self._azure
        azure.jobs.set_duration(seconds=1)
        azure.operations.set_duration(seconds=0.5)
        azure.jobs.register_model("churn-training", MODEL, {"stage": "production"})
        azure.events.subscribe(self._print_event)
        azure.calls.after(self._print_call)

    def _tagged(self) -> Iterator[str]:
        self._register("1", {"stage": "production"})
        yield from self._mailed(f"{MODEL}:1 succeeded")
        yield from self._serves(f"{MODEL}-1-", 1)

    def _untagged(self) -> Iterator[str]:
        self._register("2", {"stage": "staging"})
        event = self._azure.events.all[-1]["id"]
        record = self._wait(lambda: next((r for r in self._local.records if r.get("id") == event), None))
        self._print(f"not deployed: the only rule for it is {record['rules']}")
        yield from self._serves(f"{MODEL}-1-", 1)

    def _bad(self) -> Iterator[str]:
        self._register("3", {"stage": "production"})
        name = self._wait(lambda: next((name for name in self._shares() if name.startswith(f"{MODEL}-3-")), None))
        self._print(f"{name} breaks down")
        self._azure.faults.break_deployment(
            ENDPOINT, name, logs="ValueError: could not convert string to float", workspace=WORKSPACE
        )
        yield from self._mailed(f"{MODEL}:3 failed")
        yield from self._serves(f"{MODEL}-1-", 1)

    def _drift(self) -> Iterator[str]:
        self._azure.jobs.raise_drift(workspace=WORKSPACE)
        yield from self._mailed(f"{MODEL}:4 succeeded")
        yield from self._serves(f"{MODEL}-4-", 2)
        jobs = [job for job in self._azure.jobs.all if job["name"].startswith("mle-")]
        if [job["properties"]["status"] for job in jobs] != ["Completed"]:
            yield f"one job should have completed; these were started: {[job['name'] for job in jobs]}"

    def _register(self, version: str, tags: Mapping[str, str]) -> None:
        self._azure.models.register(MODEL, version, tags, workspace=WORKSPACE)

    def _shares(self) -> dict[str, int]:
        if self._azure.endpoints.get(ENDPOINT, workspace=WORKSPACE) is None:
            return {}
        return self._azure.endpoints.traffic(ENDPOINT, workspace=WORKSPACE)

    def _mailed(self, subject: str) -> Iterator[str]:
        """Wait for the mail about this model: it must have this subject, the outcome of the deployment."""
        of_this = subject.partition(" ")[0] + " "
        mail = self._wait(lambda: next((m for m in self._local.mails if m.subject.startswith(of_this)), None))
        self._print(f"mail to {', '.join(mail.recipients)}: {mail.subject}")
        self._console.print(f"           {self._note()}", indent=11)
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

    def _wait(self, condition: Callable[[], Any]) -> Any:
        return self._local.wait(condition, LONGEST, pause=0.1)

    def _print_event(self, event: Mapping[str, Any]) -> None:
        """Print an event that Event Grid delivers; of runs, only the end of a pipeline and the finding of a monitor."""
        kind, data = event["eventType"].rpartition(".")[2], event["data"]
        if event["eventType"] != _RUN:
            if kind != "RunCompleted" or data["runType"] == "azureml.PipelineRun":
                self._print(f"event {kind} {event['subject'].rpartition('/')[2]}")
        elif "azureml_modelmonitor_threshold_breached" in data["runTags"]:
            self._print(f"event {kind}: {data['runTags']['azureml_modelmonitor_threshold_breached'].splitlines()[0]}")

    def _print_call(self, call: Call) -> None:
        """Print a change that the app made in Azure ML."""
        succeeded = call.status is not None and call.status < 300
        if not succeeded or call.method not in {"PUT", "DELETE"} or "/mlevents/" in call.path:
            return
        kind, name = call.target.split(" ", 1)[1].split("/")[-2:] if "/" in call.target else ("", "")
        if kind == "onlineEndpoints" and call.method == "PUT":
            shares = {each: share for each, share in (call.body["properties"].get("traffic") or {}).items() if share}
            split = ", ".join(f"{each} {share} %" for each, share in shares.items())
            self._print(f"traffic of {name}: {split}" if split else f"endpoint {name} is created")
        elif kind == "deployments":
            self._print(f"deployment {name} is {'created' if call.method == 'PUT' else 'deleted'}")
        elif kind == "jobs":
            self._print(f"job {name} is started")

    def _print(self, text: str) -> None:
        self._console.print(f"  {time.monotonic() - self._started:5.1f} s  {text}", indent=11)
