"""The JSON Schemas of rules files: what an editor accepts and underlines."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from dispatch.rules.reading.yaml import parse
from dispatch.rules.schema import SCHEMAS, as_text, rules_schema, workspaces_schema
from tests.dispatch.rules.test_docs import EXAMPLES, as_file
from tests.kit.rule_files import rule
from tests.kit.world import WORKSPACES, rules

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "samples" / "rules").glob("*.yaml"))
RULES, IN_WORKSPACES_YAML = Draft7Validator(rules_schema()), Draft7Validator(workspaces_schema())


def plain(text: str) -> Any:
    """The content of a YAML file, in which app settings are not filled in: an editor does not know them."""
    root = parse(text.encode(), "x.yaml", {}).root
    return root.plain() if root else None


def errors(text: str, validator: Draft7Validator = RULES) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(plain(text))]


@pytest.mark.parametrize("name", SCHEMAS)
def test_committed_schema_is_up_to_date(name: str) -> None:
    """`mlevents schema` writes it."""
    assert (ROOT / "docs" / "schemas" / name).read_text(encoding="utf-8") == as_text(SCHEMAS[name]())
    Draft7Validator.check_schema(SCHEMAS[name]())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rules_file_names_its_schema_and_is_valid(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    mark, _, schema = text.splitlines()[0].partition("=")
    assert mark == "# yaml-language-server: $schema"
    assert (path.parent / schema).resolve() == ROOT / "docs" / "schemas" / (
        "workspaces.schema.json" if path.name == "workspaces.yaml" else "rules.schema.json"
    )
    assert errors(text, IN_WORKSPACES_YAML if path.name == "workspaces.yaml" else RULES) == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.splitlines()[0])
def test_example_in_the_docs_is_valid(example: str) -> None:
    is_workspaces = example.startswith("# rules/workspaces.yaml")
    assert errors(as_file(example), IN_WORKSPACES_YAML if is_workspaces else RULES) == []


VALID = [
    "rules:\n",
    rules(rule(on="[RunCompleted, Microsoft.MachineLearningServices.ModelDeployed]")),
    rules(rule(on='"${RULES_EVENT}"')),
    rules(rule(**{"in": '["${RULES_PLACE}", churn-dev]'})),
    rules(rule(**{"in": "{ tier: 1, live: [true, false] }"})),
    rules(rule(when="data.runStatus stringin Failed")),
    rules(rule(when='"${RULES_WHEN}"')),
    rules(rule(do='"${RULES_DO}"')),
    rules(rule(do="acme.pager:Pager", **{"with": "{ anything: [goes] }"})),
    rules(rule(**{"with": ""})),
    rules(rule(**{"with": '{ level: "${RULES_LEVEL}" }'})),
    rules(rule(do="email", **{"with": "{ to: a@example.com }"})),
    rules(rule(do="deploy", **{"with": '{ endpoint: churn, traffic: ["${RULES_SHARE}", 100], workspace: churn-dev }'})),
    rules(rule(do="deploy", **{"with": "{ endpoint: churn, smoke_test: request.json, bake: 90s }"})),
    rules(rule(do="pipeline", **{"with": "{ job: job.yml, tags: { n: 5 }, wait: true, timeout: 1h30m }"})),
    rules(rule(at_most="{ count: 1, every: 7d, by: drift.monitor }", latest_only="true")),
    rules(rule(after="{ rules: [b, c], outcome: any }")),
]


@pytest.mark.parametrize("text", VALID)
def test_schema_accepts_what_the_app_accepts(text: str) -> None:
    assert errors(text) == []


INVALID = [
    "- name: a\n",
    "rules: { a: b }\n",
    "workspaces: {}\n",
    rules("  - log\n"),
    rules("  - { name: a, do: log }\n"),
    rules("  - { on: RunCompleted, do: log }\n"),
    rules("  - { name: a, on: RunCompleted }\n"),
    rules("  - { name: a, on: RunCompleted, after: { rules: b }, do: log }\n"),
    rules(rule(name="Mail_Runs")),
    rules(rule(on="RunCompletd")),
    rules(rule(on="[]")),
    rules(rule(wehn="data.runId IsNotNull")),
    rules(rule(when="data.runStatus StringsIn x")),
    rules(rule(when="{ anny: [data.runId IsNotNull] }")),
    rules(rule(when="{ any: [data.runId IsNotNull], all: [data.runId IsNotNull] }")),
    rules(rule(when="{ any: [] }")),
    rules(rule(**{"in": "{}"})),
    rules(rule(**{"in": "[5]"})),
    rules(rule(after="b")),
    rules(rule(after="{ rules: b, outcome: fail }")),
    rules(rule(do="emial")),
    rules(rule(do="email")),
    rules(rule(do="email", **{"with": "{ subject: hi }"})),
    rules(rule(do="email", **{"with": "{ to: [] }"})),
    rules(rule(**{"with": "{ levle: info }"})),
    rules(rule(**{"with": "{ level: warn }"})),
    rules(rule(**{"with": "{ message: 5 }"})),
    rules(rule(do="deploy", **{"with": "{ endpoint: churn, bake: soon }"})),
    rules(rule(do="deploy", **{"with": "{ endpoint: churn, create_endpoint: 'no' }"})),
    rules(rule(retry="{ for: 24 hours }")),
    rules(rule(retry="~")),
    rules(rule(dry_run="yes")),
    rules(rule(dry_run='"${RULES_DRY}"')),
    rules(rule(max_depth="21")),
    rules(rule(at_most="{ count: 1 }")),
]


@pytest.mark.parametrize("text", INVALID)
def test_schema_rejects_an_invalid_rule(text: str) -> None:
    assert errors(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "workspaces: {}\n",
        "workspaces: { a: { env: dev } }\n",
        'workspaces: { a: { id: "${RULES_A}", env: [x] } }\n',
        'workspaces: { "a b": { id: "${RULES_A}" } }\n',
        WORKSPACES + "alerts: { with: {} }\n",
        WORKSPACES + "alerts: { do: log, wiht: {} }\n",
        WORKSPACES + "alerts: { do: log, with: { x: 1 } }\n",
        WORKSPACES + "rules: []\n",
    ],
)
def test_schema_rejects_an_invalid_workspaces_file(text: str) -> None:
    assert errors(text, IN_WORKSPACES_YAML)
