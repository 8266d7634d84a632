"""Only a worker that starts a job of a job file or a component loads azure.ai.ml."""

import json
import os
import subprocess
import sys
from pathlib import Path

from emulator import Azure
from tests.handlers.pipeline.site import DEV, FACTORY, JOB, PROD

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = {
    "job": {"job": JOB, "inputs": {"reason": "{{ drift.signal }}"}},
    "component": {"job": "azureml:retrain@latest"},
    "batch": {"batch_endpoint": "churn", "wait": True},
    "factory": {"data_factory": FACTORY, "pipeline": "copy", "wait": True},
}
RULES = [{"name": n, "on": "DriftDetected", "do": "pipeline", "with": settings} for n, settings in SETTINGS.items()]
LOADING = """
import sys
from pathlib import Path
from dispatch.rules import load
from handlers.base import Action, CheckBack
from schemas import RunStatusChanged
from schemas.examples import MODEL_MONITOR_BREACH

def heavy():
    print([name for name in sys.modules if name.startswith(("azure.ai", "marshmallow"))])

rules = load(Path(sys.argv[1]), {"RULES_WS_CHURN_DEV": sys.argv[2], "RULES_WS_CHURN_PROD": sys.argv[3]})
assert not rules.errors, rules.errors
event = RunStatusChanged.example(**MODEL_MONITOR_BREACH)
for rule in rules.by_name.values():
    assert rule.handler.plan(event) and rule.handler.destination(event)
print([name for name in sys.modules if name.startswith("azure.identity")])
for name in ("batch", "factory"):
    action, outcome = Action(), None
    while not outcome or isinstance(outcome, CheckBack):
        outcome = rules.by_name[name].handler.run(event, Action(key=action.key, state=outcome.state if outcome else {}))
    print(outcome.summary)
heavy()
"""


def test_azure_ai_ml_is_not_loaded_for_rules_batch_endpoints_and_data_factory(azure: Azure, tmp_path: Path) -> None:
    azure.endpoints.add("churn", "Batch", default="churn-7")
    azure.endpoints.add_deployment("churn", "churn-7", azure.models.register("churn", "7"))
    azure.factories.add("adf-churn", {"copy": {}})
    azure.jobs.set_duration(0)
    (tmp_path / "workspaces.yaml").write_text('workspaces: { churn-prod: { id: "${RULES_WS_CHURN_PROD}" } }')
    (tmp_path / "churn.yaml").write_text(json.dumps({"rules": RULES}))
    command = [sys.executable, "-c", LOADING, str(tmp_path), DEV, PROD]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    identity, batch, factory, heavy = done.stdout.splitlines()
    assert (identity, heavy) == ("[]", "[]")
    assert batch.startswith("the batch job ")
    assert factory.startswith("the run ")
    assert batch.endswith("has completed in churn-prod")
