"""samples/ci: the workflows parse, their steps are commands of docs and Makefile, and they hold no secret."""

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from mlevents.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "samples" / "ci"
DOCUMENTED = "".join(
    (ROOT / f"docs/{name}.md").read_text(encoding="utf-8") for name in ("deploying-by-commands", "running-locally")
)
RULES = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
CHECK = {"github-actions.yml": ".venv/bin/mlevents check --format github", "azure-pipelines.yml": "make check"}
CHECK |= {"github-deploy.yml": CHECK["github-actions.yml"], "azure-pipelines-deploy.yml": "make check"}
RULES_FILES = ["github-rules.yml", "azure-pipelines-rules.yml"]
EACH_OF_ALL = pytest.mark.parametrize("name", [*CHECK, *RULES_FILES])
EACH_FOR_RULES = pytest.mark.parametrize("name", RULES_FILES)
EACH_FILE = pytest.mark.parametrize("name", list(CHECK))
PUBLISHING = pytest.mark.parametrize("name", ["github-actions.yml", "azure-pipelines.yml"])
DEPLOYING = pytest.mark.parametrize("name", ["github-deploy.yml", "azure-pipelines-deploy.yml"])
# The inputs that a step gives, among those that action.yml or the task's reference documents.
INPUTS = {
    "actions/checkout@v4": {"ref", "path"},
    "actions/setup-python@v5": {"python-version"},
    "actions/setup-node@v4": {"node-version"},
    "azure/login@v2": {"client-id", "tenant-id", "subscription-id"},
    "UsePythonVersion@0": {"versionSpec"},
    "UseNode@1": {"version"},
    "PublishTestResults@2": {"testResultsFormat", "testResultsFiles", "testRunTitle"},
    "AzureCLI@2": {"azureSubscription", "scriptType", "scriptLocation", "inlineScript"},
}


def text_of(name: str) -> str:
    return (SAMPLES / name).read_text(encoding="utf-8")


def steps(name: str) -> list[dict[str, Any]]:
    """Every step of every job, in order."""
    found = list(_steps(yaml.safe_load(text_of(name))))
    assert len(found) > 6
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
def test_steps_are_commands_of_the_docs_and_of_the_makefile(name: str) -> None:
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    known = {f"make {target}" for target in targets} | {"infra/deploy.sh"}
    for command in commands(name):
        printed = command.removeprefix(".venv/bin/mlevents check ").replace('"$APP"', "APP")
        assert command in known or printed in DOCUMENTED or f"`{printed}`" in RULES, command


@PUBLISHING
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


@EACH_OF_ALL
def test_steps_give_only_inputs_that_their_action_documents(name: str) -> None:
    for step in steps(name):
        if action := step.get("uses") or step.get("task"):
            assert set(step.get("with", step.get("inputs", {}))) <= INPUTS[action], action


@EACH_OF_ALL
def test_the_log_in_needs_no_secret(name: str) -> None:
    text = text_of(name)
    assert "secrets." not in text
    assert not re.search(r"publish-profile|password|client-secret|AZURE_CREDENTIALS", text, re.IGNORECASE)


@DEPLOYING
def test_nothing_is_deployed_before_the_rules_are_checked_and_the_tests_have_passed(name: str) -> None:
    *order, last = commands(name)
    assert last == "infra/deploy.sh"
    assert {CHECK[name], "make test"} <= set(order)


@pytest.mark.parametrize(("name", "job"), [("github-actions.yml", "publish"), ("github-deploy.yml", "deploy")])
def test_github_grants_a_token_for_the_log_in_to_the_job_that_publishes(name: str, job: str) -> None:
    document = yaml.safe_load(text_of(name))
    assert document["permissions"] == {"contents": "read"}
    assert document["jobs"][job]["permissions"] == {"contents": "read", "id-token": "write"}
    assert document["jobs"][job]["environment"] == "production"


def test_github_passes_the_variables_of_the_parameters_file() -> None:
    read = re.findall(r"readEnvironmentVariable\('(\w+)'", (ROOT / "infra/main.bicepparam").read_text(encoding="utf-8"))
    passed = yaml.safe_load(text_of("github-deploy.yml"))["jobs"]["deploy"]["env"]
    assert set(passed) == set(read)
    for name, value in passed.items():
        assert re.match(rf"\${{{{ vars\.{name}\b", value)


@EACH_OF_ALL
def test_the_python_is_one_that_the_app_supports(name: str) -> None:
    versions = re.findall(r"(?:python-version|versionSpec): \"(\d\.\d+)\"", text_of(name))
    assert versions
    assert set(versions) <= {"3.11", "3.12", "3.13"}


def test_github_passes_the_settings_that_the_rules_read() -> None:
    texts = [path.read_text() for path in (ROOT / "samples/rules").glob("*.yaml")]
    read = set(re.findall(r"\$\{(RULES_\w+)\}", "".join(texts)))
    [check] = [step for step in steps("github-actions.yml") if step.get("run") == CHECK["github-actions.yml"]]
    assert read
    assert check["env"] == {setting: f"${{{{ vars.{setting} }}}}" for setting in read}


@EACH_FOR_RULES
def test_rules_are_checked_then_tested_then_tried_on_the_record(name: str) -> None:
    order = [re.sub(r"^(\.venv/bin/)?(mlevents|make) ", "", command).split()[0] for command in commands(name)]
    assert [word for word in order if word in ("check", "test", "backtest")] == ["check", "test", "backtest"]


@EACH_FOR_RULES
def test_commands_of_the_tool_have_the_options_that_steps_give(name: str) -> None:
    for command in commands(name):
        program, *arguments = shlex.split(command.partition(">")[0])
        if program == ".venv/bin/mlevents":
            module = import_module(f"mlevents.commands.{COMMANDS[arguments[0]][0]}")
            get_command(module.cli).make_context(arguments[0], arguments[1:])


def test_github_gives_a_token_to_no_fork() -> None:
    """A pull request can change what runs."""
    own = "github.event.pull_request.head.repo.full_name == github.repository"
    found = steps("github-rules.yml")
    assert [step["if"] for step in found if step.get("uses") == "azure/login@v2" or "backtest" in step.get("run", "")][
        :2
    ] == [own, own]
    document = yaml.safe_load(text_of("github-rules.yml"))
    assert document["permissions"] == {"contents": "read"}
    assert document["jobs"]["rules"]["permissions"] == {
        "contents": "read",
        "id-token": "write",
        "pull-requests": "write",
    }
    assert "pull_request" in document[True]  # YAML 1.1 reads `on` as true
    assert "pull_request_target" not in text_of("github-rules.yml")


@EACH_FOR_RULES
def test_the_identity_that_reads_the_record_has_one_role(name: str) -> None:
    assert "Storage Table Data Reader" in text_of(name)
    assert "Contributor" not in text_of(name)
