"""The part of `mlevents demo` with Azure ML in it: models are deployed by their tags, and drift leads to a deployment.

Azure ML is the stand-in that runs beside the app; what the app does there, it does with the real azure-ai-ml. What
happens is printed as it happens.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.console import Console as Screen
from rich.markup import escape

from emulator import Call
from mlevents.console import printable
from mlevents.local.app import LocalApp

WORKSPACE = "churn-dev"
LONGEST = 120.0  # seconds for each part; ten are usual
MODEL, ENDPOINT = "churn", "churn"
_RUN = "Microsoft.MachineLearningServices.RunStatusChanged"


class Story:
    """Plays it, in an app that runs, and says what was not as it should be."""

    def __init__(self, local: LocalApp, screen: Screen) -> None:
        self._local, self._azure, self._screen = local, local.azure, screen
        self._began = time.monotonic()

    def play(self) -> list[str]:
        """All parts; returns what went wrong, in words."""
        self._prepare()
        parts: dict[str, Callable[[], Iterator[str]]] = {
            "A model is registered with the tag stage=production": self._tagged,
            "Another one has another tag": self._untagged,
            "The next one goes wrong when it gets traffic": self._bad,
            "A model monitor finds drift": self._drift,
        }
        wrong: list[str] = []
        for title, part in parts.items():
            self._screen.print(f"\n[bold]{title}[/]")
            self._began = time.monotonic()
            try:
                wrong += part()
            except TimeoutError:
                wrong += [f"{title}: that took longer than {LONGEST:.0f} s; printed were:", *self._local.lines]
                break
        self._screen.print()
        return wrong

    def _prepare(self) -> None:
        azure = self._azure
        azure.jobs.set_duration(seconds=1)
        azure.operations.set_duration(seconds=0.5)
        azure.jobs.register_model("churn-training", MODEL, {"stage": "production"})
        azure.events.subscribe(self._tell_event)
        azure.calls.after(self._tell_call)

    def _tagged(self) -> Iterator[str]:
        self._register("1", {"stage": "production"})
        yield from self._mailed(f"{MODEL}:1 succeeded")
        yield from self._serves(f"{MODEL}-1-", 1)

    def _untagged(self) -> Iterator[str]:
        self._register("2", {"stage": "staging"})
        event = self._azure.events.all[-1]["id"]
        came = self._wait(lambda: next((r for r in self._local.records if r.get("id") == event), None))
        self._say(f"left alone: the only rule for it is {came['rules']}")
        yield from self._serves(f"{MODEL}-1-", 1)

    def _bad(self) -> Iterator[str]:
        self._register("3", {"stage": "production"})
        name = self._wait(lambda: next((name for name in self._shares() if name.startswith(f"{MODEL}-3-")), None))
        self._say(f"{name} breaks down")
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
        """How a deployment has ended is mailed, and nothing else about that model."""
        of_this = subject.partition(" ")[0] + " "
        mail = self._wait(lambda: next((m for m in self._local.mails if m.subject.startswith(of_this)), None))
        self._say(f"mail to {', '.join(mail.recipients)}: {mail.subject}")
        self._screen.print(f"           {escape(self._note())}")
        if mail.subject != subject:
            yield f"a mail said {mail.subject!r} instead of {subject!r}"

    def _serves(self, prefix: str, deployments: int) -> Iterator[str]:
        shares = self._shares()
        if [(name.startswith(prefix), share) for name, share in shares.items()] != [(True, 100)]:
            yield f"the traffic of {ENDPOINT} should all go to {prefix}…, and goes to {shares}"
        found = list(self._azure.endpoints.deployments(ENDPOINT, workspace=WORKSPACE))
        if len(found) != deployments:
            yield f"the endpoint {ENDPOINT} should have {deployments} deployment(s), and has {', '.join(found)}"

    def _note(self) -> str:
        """What the last action that deployed has said at its end."""
        said = [r for r in self._local.records if r["name"] == "action.settled" and r["rule"] == "deploy-tagged-models"]
        return printable(str(said[-1]["note"]))

    def _wait(self, condition: Callable[[], Any]) -> Any:
        return self._local.wait(condition, LONGEST, pause=0.1)

    def _tell_event(self, event: Mapping[str, Any]) -> None:
        """What Event Grid delivers of it: of runs, what whole pipelines come to, and what a monitor has found."""
        kind, data = event["eventType"].rpartition(".")[2], event["data"]
        if event["eventType"] != _RUN:
            if kind != "RunCompleted" or data["runType"] == "azureml.PipelineRun":
                self._say(f"event {kind} {event['subject'].rpartition('/')[2]}")
        elif "azureml_modelmonitor_threshold_breached" in data["runTags"]:
            self._say(f"event {kind}: {data['runTags']['azureml_modelmonitor_threshold_breached'].splitlines()[0]}")

    def _tell_call(self, call: Call) -> None:
        """What the app has Azure ML do."""
        done = call.status is not None and call.status < 300
        if not done or call.method not in {"PUT", "DELETE"} or "/mlevents/" in call.path:
            return
        what, name = call.target.split(" ", 1)[1].split("/")[-2:] if "/" in call.target else ("", "")
        if what == "onlineEndpoints" and call.method == "PUT":
            shares = {one: share for one, share in (call.body["properties"].get("traffic") or {}).items() if share}
            split = ", ".join(f"{one} {share} %" for one, share in shares.items())
            self._say(f"traffic of {name}: {split}" if split else f"endpoint {name} is made")
        elif what == "deployments":
            self._say(f"deployment {name} is {'made' if call.method == 'PUT' else 'deleted'}")
        elif what == "jobs":
            self._say(f"job {name} is started")

    def _say(self, text: str) -> None:
        self._screen.print(f"  {time.monotonic() - self._began:5.1f} s  {escape(printable(text))}")
