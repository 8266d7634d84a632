"""The tests of the sample rules pass, and docs/testing-rules.md shows what the tool prints."""

import re

import pytest

from dispatch.rules.reading.shapes import keys_of
from mlevents.__main__ import main
from mlevents.commands.rule_tests.model import Case
from tests.kit.started import ROOT
from tests.mlevents.commands.rule_tests.project import Project

PAGE = (ROOT / "docs/testing-rules.md").read_text(encoding="utf-8")
BLOCKS = {
    block.splitlines()[0].removeprefix("# "): block
    for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
PRINTED = [re.sub("^    ", "", text, flags=re.MULTILINE) for text in re.findall(r"\n\n((?:    .*\n)+)", PAGE)]


def test_tests_of_the_sample_rules_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "--rules", str(ROOT / "samples/rules")]) == 0, capsys.readouterr().out


@pytest.fixture
def documented(project: Project) -> Project:
    """The example of the page."""
    for path, text in BLOCKS.items():
        (project.folder / path).write_text(text)
    return project


def test_example_of_the_page_passes(documented: Project) -> None:
    assert sorted(BLOCKS) == ["rules/churn.yaml", "rules/tests/churn.yaml"]
    code, out = documented.run()
    assert (code, out in PRINTED) == (0, True)


def test_failure_of_the_page_is_what_is_printed(documented: Project) -> None:
    changed = BLOCKS["rules/churn.yaml"].replace("StringIn Failed NotResponding", "StringIn NotResponding")
    documented.rules(changed)
    code, out = documented.run()
    [shown] = [text for text in PRINTED if "expected  " in text]
    assert code == 1
    assert out.startswith(shown)
    assert out.endswith("\n4 tests: 2 passed, 2 failed\n")


@pytest.mark.parametrize("key", keys_of(Case))
def test_every_key_of_a_test_is_explained(key: str) -> None:
    assert f"| `{key}` |" in PAGE
