"""What azure-ai-ml refuses in a job file is found without a request, with its line."""

from pathlib import Path
from typing import Any

import pytest

from handlers.base import Finding
from handlers.file_field import FOLDERS
from handlers.pipeline.handler import Pipeline

COMMAND = "command: echo\nenvironment: azureml:e:1\ncompute: azureml:c\n"
PIPELINE = "type: pipeline\nsettings: { default_compute: azureml:c }\njobs:\n  a:\n    type: command\n"
STEP = f"{PIPELINE}    command: echo\n    environment: azureml:e:1\n"
NO_COMPUTE = STEP.replace("settings: { default_compute: azureml:c }\n", "")
COMPONENT = "name: x\ntype: command\nversion: 1\n"

REFUSED = {
    "no environment": ("command: echo\ncompute: azureml:c\n", 1, "environment: Missing data for required field"),
    "unknown key": (f"{COMMAND}foo: 1\n", 4, "foo: Unknown field"),
    "undeclared input": (
        COMMAND.replace("echo", "echo ${{inputs.q}}"), 1, "Inputs to job does not contain 'q' referenced in command"
    ),
    "missing conda file": (
        "command: echo\ncompute: azureml:c\nenvironment: { image: x, conda_file: nothing.yml }\n",
        3,
        "environment: No such file or directory: ",
    ),
    "step without compute": (NO_COMPUTE, 3, "Compute not set"),
    "unknown key of a step": (f"{STEP}    foo: 1\n", 8, "jobs.a.foo: Unknown field"),
    "date in a step": (
        f"{STEP}    inputs: {{ x: 2026-01-01 }}\n", 8, 'inputs.x: YAML reads a date; put it in quotes: "2026-01-01"'
    ),
    "list in a step": (f"{STEP}    inputs:\n      x: [1]\n", 9, "jobs.a.inputs.x: this value is not valid here"),
    "type of a step": (f"{STEP}".replace(": command", ": comand"), 5, "Value 'comand' passed"),
    "name of a step": (STEP.replace("  a:", "  A-b:"), 4, "jobs.A-b: Pipeline node name should be a valid python"),
    "unbound input": (
        f"{STEP}    inputs:\n      x: ${{{{parent.inputs.zz}}}}\n", 9, "Failed to find top level definition"
    ),
    "missing component": (f"{PIPELINE}    component: nothing.yml\n", 6, "component: No such file or directory"),
    "invalid component": (f"{PIPELINE}    component: bad.yml\n", 6, "component.command: Missing data"),
    "component without version": (f"{PIPELINE}    component: {{ a: b }}\n", 6, "jobs.a.component"),
    "step that is a text": ("type: pipeline\njobs:\n  a: text\n", 3, "jobs.a"),
}  # fmt: skip


def findings(folder: Path, text: str, **settings: Any) -> list[Finding]:
    """What `mlevents check` reports of a rule with this job file."""
    (folder / "rules/src").mkdir(parents=True, exist_ok=True)
    (folder / "rules/src/train.py").touch()
    (folder / "rules/bad.yml").write_text(COMPONENT)
    (folder / "rules/good.yml").write_text(f"{COMPONENT}command: echo\nenvironment: azureml:e:1\n")
    (folder / "rules/job.yml").write_text(text)
    context = {FOLDERS: (folder / "rules", folder)}
    handler = Pipeline.model_validate({"job": "job.yml", **settings}, context=context)
    return list(handler.findings())


@pytest.mark.parametrize(("text", "line", "message"), REFUSED.values(), ids=list(REFUSED))
def test_job_that_azure_ai_ml_refuses_is_found(text: str, line: int, message: str, tmp_path: Path) -> None:
    [found, *more] = findings(tmp_path, text)
    assert (found.file, found.line) == ("rules/job.yml", line)
    assert message in found.message
    assert '{"' not in found.message
    assert {each.line for each in more} <= {line}


@pytest.mark.parametrize(
    "text",
    [
        COMMAND,
        f"{COMMAND}code: src\ninputs: {{ a: yes, b: 1e-4, c: {{ path: azureml:churn@latest }} }}\n",
        STEP,
        f"{STEP}    inputs: {{ x: 1 }}\n    code: src\n",
        f"{PIPELINE}    component: good.yml\n",
        f"{PIPELINE}    component: azureml:train@latest\n",
        Path("samples/rules/jobs/retrain.yml")
        .read_text()
        .replace("code: src", "")
        .replace("conda_file: conda.yml", ""),
    ],
)
def test_job_that_azure_ai_ml_accepts_has_no_findings(text: str, tmp_path: Path) -> None:
    assert findings(tmp_path, text) == []


def test_settings_of_the_rule_count(tmp_path: Path) -> None:
    """The check uses an example of each template, of the type that the job file declares."""
    inputs = "inputs:\n  text:\n  number: 1\n  flag: yes\n  data: { type: uri_file, path: azureml:x:1 }\n"
    text = f"{NO_COMPUTE}{inputs}"
    template = "{{ subject }}"
    given: dict[str, Any] = {"text": template, "number": template, "flag": template, "data": template}
    assert findings(tmp_path, text, compute=template, inputs=given) == []
    given |= {"data": {"path": "azureml:{{ subject }}", "mode": "download"}}
    assert findings(tmp_path, text, compute="cpu", inputs=given) == []
    [found] = findings(tmp_path, text, inputs=given)
    assert found.message == "jobs.a.compute: Compute not set"


def test_other_kinds_of_runs_have_no_findings() -> None:
    assert list(Pipeline(job="azureml:retrain:1").findings()) == []
    assert list(Pipeline(batch_endpoint="churn").findings()) == []
