"""samples/ci: the workflows parse, their steps are commands of README and Makefile, and they hold no secret."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "samples" / "ci"
README = (ROOT / "README.md").read_text(encoding="utf-8")
RULES = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
CHECK = {"github-actions.yml": ".venv/bin/mlevents check --format github", "azure-pipelines.yml": "make check"}
EACH_FILE = pytest.mark.parametrize("name", ["github-actions.yml", "azure-pipelines.yml"])
# The inputs that a step gives, among those that action.yml or the task's reference documents.
INPUTS = {
    "actions/checkout@v4": set(),
    "actions/setup-python@v5": {"python-version"},
    "actions/setup-node@v4": {"node-version"},
    "azure/login@v2": {"client-id", "tenant-id", "subscription-id"},
    "UsePythonVersion@0": {"versionSpec"},
    "UseNode@1": {"version"},
    "AzureCLI@2": {"azureSubscription", "scriptType", "scriptLocation", "inlineScript"},
}


def text_of(name: str) -> str:
    return (SAMPLES / name).read_text(encoding="utf-8")


def steps(name: str) -> list[dict[str, Any]]:
    """Every step of every job, in order."""
    found = list(_steps(yaml.safe_load(text_of(name))))
    assert len(found) > 8
    return found


def _steps(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        for key, inner in node.items():
            yield from inner if key == "steps" else _steps(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _steps(inner)


def commands(name: str) -> list[str]:
    found = [
        step.get("run") or step.get("script") or step.get("inputs", {}).get("inlineScript") for step in steps(name)
    ]
    return [command for command in found if command]


@EACH_FILE
def test_steps_are_commands_of_readme_and_makefile(name: str) -> None:
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    known = {f"make {target}" for target in targets}
    for command in commands(name):
        printed = command.removeprefix(".venv/bin/mlevents check ").replace('"$APP"', "APP")
        assert command in known or printed in README or f"`{printed}`" in RULES, command


@EACH_FILE
def test_nothing_is_published_before_the_rules_are_checked_and_the_tests_have_passed(name: str) -> None:
    order = commands(name)
    publish = order.index('func azure functionapp publish "$APP"')
    assert {CHECK[name], "make test"} <= set(order[:publish])
    document = yaml.safe_load(text_of(name))
    if "jobs" in document:
        assert document["jobs"]["publish"]["needs"] == "test"
        assert document["jobs"]["publish"]["if"] == "github.event_name == 'push'"
    else:
        assert [stage["stage"] for stage in document["stages"]] == ["test", "publish"]
        assert document["stages"][1]["condition"].startswith("and(succeeded(), ")


@EACH_FILE
def test_steps_give_only_inputs_that_their_action_documents(name: str) -> None:
    for step in steps(name):
        if action := step.get("uses") or step.get("task"):
            assert set(step.get("with", step.get("inputs", {}))) <= INPUTS[action], action


@EACH_FILE
def test_the_log_in_needs_no_secret(name: str) -> None:
    text = text_of(name)
    assert "secrets." not in text
    assert not re.search(r"publish-profile|password|client-secret|AZURE_CREDENTIALS", text, re.IGNORECASE)


def test_github_grants_a_token_for_the_log_in_to_the_job_that_publishes() -> None:
    document = yaml.safe_load(text_of("github-actions.yml"))
    assert document["permissions"] == {"contents": "read"}
    assert document["jobs"]["publish"]["permissions"] == {"contents": "read", "id-token": "write"}


@EACH_FILE
def test_the_python_is_one_that_the_app_supports(name: str) -> None:
    versions = re.findall(r"(?:python-version|versionSpec): \"(\d\.\d+)\"", text_of(name))
    assert versions
    assert set(versions) <= {"3.11", "3.12", "3.13"}


def test_github_passes_the_settings_that_the_rules_read() -> None:
    read = set(re.findall(r"\$\{(RULES_\w+)\}", "".join(p.read_text() for p in (ROOT / "rules").glob("*.yaml"))))
    [check] = [step for step in steps("github-actions.yml") if step.get("run") == CHECK["github-actions.yml"]]
    assert read
    assert check["env"] == {setting: f"${{{{ vars.{setting} }}}}" for setting in read}
