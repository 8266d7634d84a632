"""The whole circle on the local host, with emulated Azure: from drift to a deployment and mail."""

import json
from pathlib import Path
from typing import Any

import pytest

from dispatch.app import App
from mlevents.local.app import LocalApp
from tests.kit.started import ROOT

# slow under coverage, and other tests cover the same lines
pytestmark = [pytest.mark.services, pytest.mark.no_cover]

RULES = """
rules:
  - name: retrain-on-drift
    on: DriftDetected
    do: pipeline
    with: { job: samples/rules/jobs/retrain.yml, inputs: { reason: "{{ drift.signal }}" } WAIT }
    at_most: { count: 1, every: 7d, by: drift.monitor }
  - name: package-trained-model
    PACKAGE
    do: pipeline
    with: { job: samples/rules/jobs/retrain.yml, experiment_name: churn-package }
  - name: deploy-by-tag
    on: ModelRegistered
    when: data.modelTags.stage StringIn production
    do: deploy
    with: { endpoint: churn, traffic: [10, 100], bake: 1s, poll: 1s, smoke_test: samples/churn-request.json }
  - name: mail-outcome
    after: { rules: deploy-by-tag, outcome: any }
    do: email
    with: { to: ml-team@example.com, subject: "{{ data.modelName }} {{ result.status }}" }
  - name: mail-deployments
    on: ModelDeployed
    do: email
    with: { to: ml-team@example.com, subject: "{{ data.modelIds }} is deployed" }
"""
BY_EVENTS = "on: RunCompleted\n    when: data.runType StringIn azureml.PipelineRun"
BY_AFTER = "after: { rules: retrain-on-drift }"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("package", "wait", "depths"),
    [
        (BY_EVENTS, "", ["1", "2"]),
        pytest.param(BY_AFTER, ", wait: true, timeout: 10s", ["1", "1"], marks=pytest.mark.soak),
    ],
    ids=["by events", "by after"],
)
def test_drift_leads_to_one_deployment_and_the_circle_ends(
    tmp_path: Path, package: str, wait: str, depths: list[str]
) -> None:
    """The events of a started job do not match the rule that started it."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "workspaces.yaml").write_text('workspaces:\n  churn: { id: "${RULES_WS_CHURN_PROD}" }\n')
    (rules / "churn.yaml").write_text(RULES.replace("PACKAGE", package).replace("WAIT", wait))
    settings = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    settings |= {"MLEVENTS_RULES": str(rules), "RULES_WS_CHURN_DEV": ""}
    with LocalApp(ROOT, settings=settings, folder=tmp_path, azure=True) as local:
        azure = local.azure
        azure.jobs.set_duration(seconds=1)
        azure.operations.set_duration(seconds=0.5)
        azure.jobs.register_model("churn-package", "churn", {"stage": "production"})
        azure.endpoints.add("churn", traffic={"churn-1": 100})
        azure.endpoints.add_deployment("churn", "churn-1", azure.models.register("churn", "1"))
        azure.jobs.raise_drift("feature_drift")
        local.wait(lambda: len(local.mails) == 2, 150)
        azure.jobs.raise_drift("feature_drift")
        ended = ends(local)
        [deployed] = azure.endpoints.traffic("churn").items()
        jobs = [job["properties"] for job in azure.jobs.all if job["name"].startswith("mle-")]
        stopped = {record["rule"] for record in local.records if record["name"] == "rule.stopped"}
    assert ended == {
        "retrain-on-drift": ["succeeded", "skipped"],
        "package-trained-model": ["succeeded"],
        "deploy-by-tag": ["succeeded"],
        "mail-outcome": ["succeeded"],
        "mail-deployments": ["succeeded"],
    }
    assert [(job["experimentName"], job["status"]) for job in jobs] == [
        ("churn-training", "Completed"),
        ("churn-package", "Completed"),
    ]
    assert [job["tags"]["mlevents_depth"] for job in jobs] == depths
    assert stopped == ({"package-trained-model"} if package == BY_EVENTS else set())
    assert jobs[0]["inputs"]["reason"]["value"] == "feature_drift"
    assert deployed[0].startswith("churn-2-")
    assert deployed[1] == 100
    assert sorted(mail.subject for mail in local.mails) == ["churn succeeded", "churn:2 is deployed"]


def ends(local: LocalApp) -> dict[str, list[str]]:
    """The statuses of the ended actions by rule, once no job runs and no action is open for a while."""
    inbox = App.from_settings(local.environment, ROOT).inbox
    quiet = 0

    def is_quiet() -> bool:
        nonlocal quiet
        running = [job for job in local.azure.jobs.all if job["properties"]["status"] not in {"Completed", "Failed"}]
        busy = running or any(inbox.backlog.open_actions(day) for day in inbox.history.days())
        quiet = 0 if busy else quiet + 1
        return quiet > 20

    local.wait(is_quiet, 60)
    found: dict[str, list[Any]] = {}
    for day in inbox.history.days():
        for id, record in inbox.history.day(day).actions:
            found.setdefault(id.rule, []).append((record.started, record.status))
    return {rule: [status for _, status in sorted(ends)] for rule, ends in found.items()}
