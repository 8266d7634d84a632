"""The app reads the examples of docs/rules.md, and reports the error that it shows."""

import re
from pathlib import Path

import pytest

from dispatch.filters.operators import OPERATORS
from dispatch.rules import load
from dispatch.rules.models import RuleKeys
from dispatch.rules.reading.shapes import keys_of
from dispatch.rules.values import OUTCOMES
from schemas import EVENT_NAMES
from tests.kit.world import SETTINGS, WORKSPACES

DOC = (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)
REST = {"name": "example", "on": "RunStatusChanged", "do": "log"}


def as_file(example: str) -> str:
    """The example as a whole file: the keys of a rule get the other keys that a rule needs."""
    if re.match(r"# rules/", example):
        return example
    given = {key for key in (*REST, "expect") if re.search(rf"^{key}:", example, re.MULTILINE)}
    given |= {"on"} if "expect" in given else set()
    rest = {key: value for key, value in REST.items() if key not in given}
    lines = [f"{key}: {value}" for key, value in rest.items()] + example.splitlines()
    return "rules:\n  - " + "\n    ".join(lines) + "\n"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.splitlines()[0])
def test_every_example_loads_without_errors(example: str, tmp_path: Path) -> None:
    """Each example is loaded as a separate file."""
    name = re.match(r"# rules/(\S+)", example)
    (tmp_path / "workspaces.yaml").write_text(WORKSPACES)
    (tmp_path / (name[1] if name else "example.yaml")).write_text(as_file(example))
    loaded = load(tmp_path, SETTINGS)
    assert loaded.errors == ()
    assert loaded.by_name or loaded.alerts


@pytest.mark.parametrize("word", [*EVENT_NAMES, *OUTCOMES, *keys_of(RuleKeys), *(o.name for o in OPERATORS)])
def test_every_word_of_the_language_is_explained(word: str) -> None:
    """Event types, outcomes, keys and operators."""
    assert f"`{word}`" in DOC


def test_error_in_the_docs_is_the_error_that_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "workspaces.yaml").write_text(WORKSPACES)
    (folder / "churn.yaml").write_text(
        "rules:\n  - name: a\n    do: log\n    on: RunStatusChanged\n    in: { env: prod }\n    when:\n"
        "      - data.runStatus StringsIn Failed\n"
    )
    [error] = load(folder, SETTINGS).errors
    assert f"\n    {error}\n" in DOC
