"""Templates: what they read is checked when rules load, against the events of their rule."""

from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel, Field

from handlers.base import Action, Handler, Outcome, Succeeded
from handlers.template import Template
from schemas import Event
from tests.dispatch.rules.checks.test_keys import errors, warnings
from tests.kit.rule_files import loaded, rule
from tests.kit.world import WORKSPACES, rules

HERE = __name__


class Parts(BaseModel):
    """Settings within settings, whose templates read one more name."""

    template_names: ClassVar[frozenset[str]] = frozenset({"answer"})

    expect: Template


class Nested(Handler[Event]):
    """Has templates at every depth, and none among its texts."""

    title: Template = Template("")
    lines: tuple[Template, ...] = ()
    tags: dict[str, list[Template]] = Field(default_factory=dict)
    parts: Parts | None = None

    def run(self, event: Event, action: Action) -> Outcome:
        return Succeeded(self.title.render(event))


def found(folder: Path, message: str, on: str = "RunStatusChanged", **keys: str) -> tuple[list[str], list[str]]:
    """The errors and the warnings about a rule that logs this message."""
    text = rules(rule(on=on, **keys, **{"with": f"{{ message: '{message}' }}"}))
    loaded_rules = loaded(folder, churn=text)
    return errors(loaded_rules), warnings(loaded_rules)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("{{ RULES_TEAM }}", "RunStatusChanged has no key RULES_TEAM. For the app setting, write ${RULES_TEAM}."),
        ("{{ result }}", "there is no result: only rules with 'after' have a result. Write after in place of on."),
        (
            "{% for v in drift.violations %}{{ v.metrc }}{% endfor %}",
            "RunStatusChanged has no key drift.violations[0].metrc. Did you mean metric?",
        ),
        (
            '{{ drift.violations | map(attribute="metrc") | list }}',
            "RunStatusChanged has no key drift.violations[0].metrc. Did you mean metric?",
        ),
        (
            "{% if result is defined %}{{ result.summary }}{% endif %}",
            "there is no result: only rules with 'after' have a result. Write after in place of on.",
        ),
        (
            "{{ data.x }}{{ data.x | default(1) }}{{ data.x.y }}",
            "RunStatusChanged has no key data.x. The keys are data.createdBy, data.experimentId, data.experimentName, "
            "data.runId, data.runType, data.runTags, data.runProperties, data.runStatus.",
        ),
    ],
)
def test_what_no_event_has_is_one_error(message: str, error: str, tmp_path: Path) -> None:
    """Under an `if` and with a default, too. A key that is read several times is reported once."""
    assert found(tmp_path, message, when="drift IsNotNull")[0] == [f"6:22: {error}"]


@pytest.mark.parametrize(
    "message",
    [
        '{{ range(3) | join }} {{ DATA.runid }} {{ data["runId"] }} {{ data.runTags.azureml.pipelineid }}',
        "{% set n = data.runTags.n %}{{ n.x }}{% for t in data.runTags %}{{ t }}{{ loop.index }}{% endfor %}",
        '{{ data.runProperties.a.b | default("x") }} {{ workspace.labels.team }} {{ studio_url }}',
        "{% macro m(a) %}{{ a.whatever }}{% endmacro %}{{ m(data) }}",
        "{{ data.runId[:3] }} {{ data[object] | default(1) }} {{ drift }} {{ data | tojson }}",
    ],
)
def test_what_the_event_has_is_no_error(message: str, tmp_path: Path) -> None:
    assert found(tmp_path, message) == ([], [])


def test_a_key_that_some_types_lack_is_a_warning(tmp_path: Path) -> None:
    """Unless the template has a default or a test for it, or the rule's conditions leave the types that have it."""
    on = "[RunCompleted, RunStatusChanged]"
    hint = "Write {{ data.runStatus | default('…') }}, or test it with if."
    assert found(tmp_path, "{{ data.runStatus }}", on) == (
        [],
        [f"5:22: RunCompleted has no data.runStatus: the action fails. {hint}"],
    )
    for fine in (
        '{{ data.runStatus | default("") }}',
        "{% if data.runStatus is defined %}{{ data.runStatus }}{% endif %}",
        '{% if eventType == "x" %}{{ data.runStatus }}{% endif %}',
    ):
        assert found(tmp_path, fine, on) == ([], [])
    for when in ("data.runStatus StringIn Failed", "eventType StringEndsWith RunStatusChanged"):
        assert found(tmp_path, "{{ data.runStatus }}", on, when=when) == ([], [])
    three = "[ModelRegistered, ModelDeployed, RunCompleted]"
    [warning] = found(tmp_path, "{{ data.runId }}", three)[1]
    assert warning.startswith("5:22: ModelDeployed and ModelRegistered have no data.runId: the action fails.")


def test_a_part_of_drift_is_a_warning_where_events_may_report_none(tmp_path: Path) -> None:
    warning = (
        "5:22: RunStatusChanged does not always report drift: without it, drift.monitor fails. "
        "Add drift IsNotNull to when, or test it with if."
    )
    assert found(tmp_path, "{{ drift.monitor }}") == ([], [warning])
    assert found(tmp_path, "{% if drift %}{{ drift.monitor }}{% endif %}") == ([], [])
    for when in ("drift IsNotNull", "drift.monitor StringIn churn"):
        assert found(tmp_path, "{{ drift.monitor }}", when=when) == ([], [])
    for on in ("DriftDetected", "DatasetDriftDetected"):
        assert found(tmp_path, "{{ drift.monitor }}", on=on) == ([], [])


def test_a_label_that_some_workspaces_lack_is_a_warning(tmp_path: Path) -> None:
    """Of the workspaces that the rule chooses; if none of those has it, it is an error."""
    workspaces = WORKSPACES.replace("env: dev,", "env: dev, mail: x@example.com,")

    def of(**keys: str) -> tuple[list[str], list[str]]:
        text = rules(rule(**keys, **{"with": '{ message: "{{ workspace.labels.mail }}" }'}))
        loaded_rules = loaded(tmp_path, workspaces=workspaces, churn=text)
        return errors(loaded_rules), warnings(loaded_rules)

    hint = "Write {{ workspace.labels.mail | default('…') }}, or test it with if."
    assert of() == ([], [f"5:22: churn-prod has no label mail: the action fails. {hint}"])
    assert of(**{"in": "churn-dev"}) == ([], [])
    [error] = of(**{"in": "churn-prod"})[0]
    assert error.startswith("6:22: no workspace of this rule has a label 'mail'")


def test_templates_of_alerts_are_checked_against_alerts_and_failed_actions(tmp_path: Path) -> None:
    """An alert of the app itself has no run and no result, and comes from no workspace."""

    def of(message: str) -> tuple[list[str], list[str]]:
        workspaces = f"{WORKSPACES}alerts: {{ do: log, with: {{ message: '{message}' }} }}\n"
        found_rules = loaded(tmp_path, workspaces=workspaces)
        return [str(error) for error in found_rules.errors], [str(warning) for warning in found_rules.warnings]

    assert of("{{ object }} {{ id }} {{ data.summary | default(result.summary) }}")[0] == []
    assert of("{{ data.kind is defined }} {{ result.summary | default(data.summary) }}")[0] == []
    [error] = of("{{ reslt.summary }}")[0]
    assert error.endswith("no alert has a key reslt.summary. Did you mean result.summary?")
    [warning] = of("{{ result.summary }}")[1]
    assert "Alert has no result.summary: the action fails." in warning
    [warning] = of("{{ workspace.labels.env }}")[1]
    assert "Alert has no workspace.labels.env: the action fails." in warning


def test_templates_are_found_at_every_depth_of_the_settings(tmp_path: Path) -> None:
    """At their positions; a handler's `template_names` are known to its own templates only."""
    settings = (
        "{ title: '{{ a1 }} {{ answer }}', lines: ['{{ a2 }}', fixed], tags: { x: ['{{ a3 }}'] }, "
        "parts: { expect: '{{ answer.ok }} {{ a4 }}' } }"
    )
    text = rules(rule(do=f"{HERE}:Nested", **{"with": settings}))
    found_errors = errors(loaded(tmp_path, churn=text))
    unknown = {"a1": "'{{ a1", "answer": "'{{ a1", "a2": "'{{ a2", "a3": "'{{ a3", "a4": "'{{ answer.ok"}
    assert [error.partition(". ")[0] for error in found_errors] == [
        f"5:{len('    with: ') + 1 + settings.index(start)}: RunStatusChanged has no key {name}"
        for name, start in unknown.items()
    ]


def test_a_label_that_the_conditions_require_is_there(tmp_path: Path) -> None:
    workspaces = WORKSPACES.replace("env: dev,", "env: dev, mail: x@example.com,")
    for when, expected in (
        ("workspace.labels.mail IsNotNull", 0),
        ("workspace.labels.MAIL StringEndsWith @example.com", 0),
        ("workspace.labels.mail StringNotIn y", 1),
        ("workspace.labels.env IsNotNull", 1),
    ):
        text = rules(rule(when=when, **{"with": '{ message: "{{ workspace.labels.mail }}" }'}))
        found_warnings = warnings(loaded(tmp_path, workspaces=workspaces, churn=text))
        assert len([each for each in found_warnings if "has no label mail" in each]) == expected, when
