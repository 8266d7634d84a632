"""What people write out of habits from other tools, or in the wrong place: the message names what is meant."""

from pathlib import Path

import pytest

from handlers import builtin
from tests.dispatch.rules.checks.test_keys import errors, warnings
from tests.kit.rule_files import loaded, rule
from tests.kit.world import WORKSPACES, rules

ONE_EACH = "Write a list with one condition in each item; where one of them is enough, under any"


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        (
            {"when": "data.runTags.a StringIn x and data.runTags.b StringIn y"},
            f"a second condition begins at 'data.runTags.b'. {ONE_EACH}",
        ),
        (
            {"when": "data.runStatus StringIn Failed || drift IsNotNull"},
            None,  # no dot: it could be a value
        ),
        (
            {"when": "[data.runTags.my tag StringIn x]"},
            "there is no operator 'tag'. Quote a key that has spaces, and then the whole condition: "
            "'\"data.runTags.my tag\" StringIn x'",
        ),
        ({"in": '""'}, "there is no workspace ''. The workspaces are churn-dev, churn-prod."),
        ({"in": "env=prod"}, "there is no workspace 'env=prod'. To choose by label, write in: { env: prod }."),
        ({"in": "all"}, "there is no workspace 'all'. Without in, a rule acts on events of all workspaces."),
        (
            {"in": "[{ env: prod }]"},
            "the name of a workspace should be a text, not a mapping. "
            "Write in: churn-prod, in: [churn-dev, churn-prod], or, to choose by labels, in: { env: prod }.",
        ),
        ({"message": "x"}, "unknown key 'message' in a rule. It is a setting of log: write it in with."),
        (
            {"do": "handlers.log.Log"},
            f"there is no handler 'handlers.log.Log'; built in: {', '.join(builtin())}; "
            "yours: 'package.module:Class'; did you mean handlers.log:Log?",
        ),
        (
            {"with": '{ message: "${data.runId}" }'},
            "'data.runId' is not the name of a setting. For a value of the event, write {{ data.runId }}.",
        ),
    ],
)
def test_habits_of_other_tools_are_explained(keys: dict[str, str], error: str | None, tmp_path: Path) -> None:
    found = loaded(tmp_path, churn=rules(rule(**keys))).errors
    assert [str(each).split(": ", 1)[1] for each in found] == ([] if error is None else [error])


def test_a_key_without_a_space_before_its_value_is_named(tmp_path: Path) -> None:
    [error] = errors(loaded(tmp_path, churn="rules:\n  - name:a\n    on: RunCompleted\n    do: log\n"))
    assert error == "3:7: a ':' that does not fit here. A space is missing after 'name:'."


@pytest.mark.parametrize(
    ("when", "meant"),
    [
        ("data.runTags.a StringIn x, y", "values 'x,' and 'y'. Did you mean StringIn x y?"),
        ("data.runStatus StringIn [Failed Canceled]", "values '[Failed' and 'Canceled]'. Did you mean"),
        ("data.runTags.a StringIn (x) [y]", "values '(x)' and '[y]'. Did you mean StringIn x y?"),
    ],
)
def test_commas_and_brackets_among_values_are_a_warning(when: str, meant: str, tmp_path: Path) -> None:
    loaded_rules = loaded(tmp_path, churn=rules(rule(when=f"'{when}'")))
    assert errors(loaded_rules) == []
    [warning] = warnings(loaded_rules)
    assert f"commas and brackets are a part of the {meant}" in warning


@pytest.mark.parametrize("values", ["'x, y'", "x,", "[x]"])
def test_one_value_may_have_commas_and_brackets(values: str, tmp_path: Path) -> None:
    loaded_rules = loaded(tmp_path, churn=rules(rule(when=f'"data.runTags.a StringIn {values}"')))
    assert (errors(loaded_rules), warnings(loaded_rules)) == ([], [])


def test_single_braces_around_a_key_are_a_warning(tmp_path: Path) -> None:
    """Other braces are text."""

    def of(message: str) -> tuple[list[str], list[str]]:
        loaded_rules = loaded(tmp_path, churn=rules(rule(**{"with": f"{{ message: '{message}' }}"})))
        return errors(loaded_rules), warnings(loaded_rules)

    assert of("run { data.runId }") == ([], ["5:22: { data.runId } is not replaced. Write {{ data.runId }}."])
    for text in ("{ data.nope } {x} {a.b}", '{"data.runId": 1}', "{{ data.runId }}", "{% if data.runId %}x{% endif %}"):
        assert of(text) == ([], [])


@pytest.mark.parametrize("written", ["$RULES_COST", "%RULES_COST%", "$(RULES_COST)"])
def test_a_setting_in_the_form_of_other_tools_is_a_warning(written: str, tmp_path: Path) -> None:
    loaded_rules = loaded(tmp_path, churn=rules(rule(**{"with": f'{{ message: "{written} {{RULES_A}}" }}'})))
    assert errors(loaded_rules) == []
    assert warnings(loaded_rules) == [f"5:22: {written!r} is not replaced by a setting. Write ${{RULES_COST}}."]


def test_an_error_in_a_literal_block_has_its_own_line(tmp_path: Path) -> None:
    """Of a folded text, the lines in the file are not known."""
    text = "\n      message: |\n\n        one {{ data.runId }}\n        {{ data.runNum }}"
    assert errors(loaded(tmp_path, churn=rules(rule(**{"with": text}))))[0].startswith("9:9: ")
    assert errors(loaded(tmp_path, churn=rules(rule(**{"with": text.replace("|", ">")}))))[0].startswith("6:16: ")


def test_labels_that_differ_only_in_case_are_an_error(tmp_path: Path) -> None:
    """Conditions and templates do not tell them apart."""
    text = WORKSPACES.replace("env: dev,", "env: dev, ENV: prod,")
    [error] = loaded(tmp_path, workspaces=text).errors
    assert error.message == "the label 'ENV' is the same as 'env'"


@pytest.mark.parametrize(
    ("settings", "position", "message"),
    [
        ("{ workspace: churn-prod, job: jobs/a.yml, inputs: { n: 1, dta: x } }", "5:69", "has no input 'dta'"),
        ("{ workspace: churn-prod, job: jobs/a.yml }", "5:41", "jobs/a.yml:4: YAML reads a date"),
    ],
)
def test_an_error_about_all_settings_is_at_the_part_that_it_names(
    settings: str, position: str, message: str, tmp_path: Path
) -> None:
    """A key inside of them, or the file whose line it gives."""
    (tmp_path / "rules/jobs").mkdir(parents=True)
    (tmp_path / "rules/jobs/a.yml").write_text("command: x\ninputs:\n  n: 1\n  d: 2026-01-01\n")
    if "dta" in settings:
        (tmp_path / "rules/jobs/a.yml").write_text("command: x\ninputs:\n  n: 1\n")
    text = rules(rule(do="pipeline", **{"with": settings}))
    [error] = errors(loaded(tmp_path, churn=text))
    assert error.startswith(f"{position}: with: ")
    assert message in error


def test_rules_in_a_folder_inside_of_rules_are_a_warning(tmp_path: Path) -> None:
    """Other files are there, such as jobs; they and deeper folders are left alone."""
    for name, text in (
        ("team/churn.yaml", rules(rule())),
        ("team/more.YML", f"# ours\n{rules(rule())}"),
        ("team/churn.txt", rules(rule())),
        ("jobs/a.yml", "command: x\ninputs:\n  rules: 1\n"),
        ("jobs/deep/b.yaml", rules(rule())),
    ):
        path = tmp_path / "rules" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    loaded_rules = loaded(tmp_path)
    assert loaded_rules.errors == ()
    assert [str(warning) for warning in loaded_rules.warnings] == [
        f"rules/team/{name}:1:1: the rules are ignored, because the file is not in rules/ itself. "
        "The app does not read folders inside of it: move the file here."
        for name in ("churn.yaml", "more.YML")
    ]


def test_a_range_that_a_list_in_brackets_cuts_is_explained(tmp_path: Path) -> None:
    when = "data.driftCoefficient NumberInRange 0.3,0.5"
    first, _ = errors(loaded(tmp_path, churn=rules(rule(on="DatasetDriftDetected", when=f"[{when}]"))))
    assert first == (
        "5:12: NumberInRange: '0.3' is not a range: two numbers, the lower first. "
        "Between [ ], a condition with a comma needs quotes around it."
    )
    for fine in (when, f"['{when}']"):
        assert errors(loaded(tmp_path, churn=rules(rule(on="DatasetDriftDetected", when=fine)))) == []
