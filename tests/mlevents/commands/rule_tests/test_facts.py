"""Tests of rules give what Azure ML knows about the object of the event."""

import pytest

from tests.mlevents.commands.rule_tests.project import Project

LATE = """\
rules:
  - name: mail
    on: RunStatusChanged
    when:
      - data.runStatus StringIn Failed
      - run.error.code StringIn OutOfMemory
      - any: [run.duration NumberGreaterThan 60, run.owner IsNotNull]
    do: log
    with: { message: "{{ run.error.message | default('unknown') }}" }
  - name: log-mail
    after: { rules: mail, outcome: skipped }
    do: log
"""
OUT_OF_MEMORY = "run: { error: { code: OutOfMemory, message: no memory }, duration: 61 }\n"


@pytest.mark.parametrize(
    "expected",
    [
        f"{OUT_OF_MEMORY}fires: {{ mail: {{ message: no memory }} }}",
        "run: { error: { code: UserError } }\nfires: [log-mail]\nnot: { mail: run.error.code is 'UserError' }",
        "run: { error: { code: OutOfMemory } }\nnot: { mail: none of 2 alternatives is true }",
        "fires: { mail: { message: unknown } }",
        "model: { flavor: sklearn }\nincludes: { mail: { message: unknown } }",
    ],
)
def test_late_conditions_are_decided_by_the_facts_of_the_test(project: Project, expected: str) -> None:
    """Without facts, they are taken as true."""
    project.rules(LATE)
    project.case(expected)
    assert project.run() == (0, "1 test: 1 passed\n")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ("run: { eror: {} }", "there is no run.eror"),
        ("run: { error: { kode: x } }", "there is no run.error.kode"),
        ("run: { transient: true }", "there is no run.transient"),
        ("endpoint: { traffic: { blue: much } }", "endpoint.traffic.blue is invalid: Input should be a valid number"),
    ],
)
def test_misspelt_facts_are_errors(project: Project, facts: str, message: str) -> None:
    project.rules(LATE)
    project.case(f"{facts}\nfires: mail")
    code, out = project.run()
    assert code != 0
    assert message in out
