"""Loading a rule imports no HTTP client: a worker that starts must answer Event Grid within seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOAD = """
import json, sys
from handlers.webhook import Webhook
from schemas import RunStatusChanged
hook = Webhook.model_validate({"url": "https://example.com/{{ data.runId }}", "body": {"a": "{{ id }}"}})
hook.plan(RunStatusChanged.example())
before = sorted(sys.modules)
import handlers.http.transport
print(json.dumps([before, sorted(sys.modules)]))
"""


@pytest.mark.services
def test_a_rule_is_loaded_and_planned_without_an_http_client() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-c", LOAD], cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    before, after = map(set, json.loads(done.stdout))
    heavy = {"requests", "urllib3", "AntiSSRF", "standardwebhooks", "azure.core", "azure.identity"}
    assert not before & heavy
    assert after >= {"requests", "urllib3", "AntiSSRF"}
    assert not after & {"azure.core", "azure.identity"}
