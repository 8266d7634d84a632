"""A file with an error is refused alone; the rules of other files stay in force."""

import os
from pathlib import Path

import pytest

from dispatch.inbox.actions import MAX_ACTIONS
from dispatch.rules import load
from dispatch.rules.reading.nodes import MAX_ERRORS, Position, RuleFile
from dispatch.rules.rule import Rules
from schemas import RunStatusChanged
from tests.kit.rule_files import Anything, loaded, rule
from tests.kit.world import SETTINGS, WORKSPACES, rules

BAD = rules(rule(name="bad", zzz="1"))


def errors_of(loaded_rules: Rules) -> list[str]:
    return [str(error) for error in loaded_rules.errors]


def matching(loaded_rules: Rules) -> list[str]:
    return [rule.name for rule in loaded_rules.matching(loaded_rules.context(RunStatusChanged.example()))]


def test_rules_of_other_files_stay_in_force(tmp_path: Path) -> None:
    """All rules of the refused file are missing, including those without an error."""
    loaded_rules = loaded(tmp_path, a=rules(rule(name="a")), b=rules(rule(name="b")) + rule(name="c", zzz="1"))
    assert matching(loaded_rules) == ["a"]
    assert (loaded_rules.get("a") is not None, loaded_rules.get("b")) == (True, None)
    assert list(loaded_rules.refused) == ["rules/b.yaml"]


def test_refused_file_is_identified_by_a_hash_of_its_content(tmp_path: Path) -> None:
    digests = [loaded(tmp_path, b=text).refused["rules/b.yaml"] for text in (BAD, BAD, BAD + "# more")]
    assert digests[0] == digests[1] != digests[2]
    assert all(0 < len(digest) < 20 for digest in digests)


def test_later_of_two_rules_with_one_name_is_refused(tmp_path: Path) -> None:
    loaded_rules = loaded(tmp_path, a=rules(rule(name="x")), b=rules(rule(name="y"), rule(name="x")))
    assert errors_of(loaded_rules) == [
        "rules/b.yaml:5:11: another rule has the name x: rules/a.yaml:2. Give this one another name."
    ]
    assert matching(loaded_rules) == ["x"]


def test_names_of_rules_in_a_refused_file_are_taken(tmp_path: Path) -> None:
    """The file may become valid again."""
    loaded_rules = loaded(tmp_path, a=BAD, b=rules(rule(name="bad")))
    assert list(loaded_rules.refused) == ["rules/a.yaml", "rules/b.yaml"]


def test_rule_may_follow_a_rule_of_a_refused_file(tmp_path: Path) -> None:
    """The rules of a file that cannot be read are not known."""
    for a in (BAD, "rules: [", b"\xff", b"\0"):
        loaded_rules = loaded(tmp_path, a=a, b=rules(rule(name="b", after="{ rules: bad }")))
        assert list(loaded_rules.refused) == ["rules/a.yaml"]
        assert loaded_rules.get("b")


def test_rule_that_follows_an_unknown_rule_is_refused(tmp_path: Path) -> None:
    loaded_rules = loaded(tmp_path, a=BAD, b=rules(rule(name="b", after="{ rules: bat }")))
    assert errors_of(loaded_rules)[1:] == ["rules/b.yaml:4:21: there is no rule 'bat' to follow. Did you mean bad?"]


def test_circle_over_files_is_reported_once(tmp_path: Path) -> None:
    """Its last rule has the error. A rule that follows the circle from outside has none."""
    loaded_rules = loaded(
        tmp_path,
        a=rules(rule(name="a", after="{ rules: [x, c] }"), rule(name="x")),
        b=rules(rule(name="b", after="{ rules: a }")),
        c=rules(rule(name="c", after="{ rules: b }")),
        d=rules(rule(name="d", after="{ rules: c }")),
    )
    assert errors_of(loaded_rules) == [
        "rules/c.yaml:4:21: these rules follow each other in a circle: c after b after a after c. "
        "One of them must have 'on' instead."
    ]


def test_two_circles_with_a_common_rule_are_both_reported(tmp_path: Path) -> None:
    a = rules(rule(name="a", after="{ rules: [b, c] }"))
    bc = rules(rule(name="b", after="{ rules: a }"), rule(name="c", after="{ rules: a }"))
    assert [m.message for m in loaded(tmp_path, a=a, b=bc).errors] == [
        "these rules follow each other in a circle: b after a after b",
        "these rules follow each other in a circle: c after a after c",
    ]


@pytest.mark.parametrize(
    "workspaces",
    [WORKSPACES + "zzz: 1\n", "workspaces: [", "workspaces: {}", b"\xff", WORKSPACES + "alerts: { do: x }"],
)
def test_nothing_matches_or_is_rejected_while_workspaces_yaml_is_refused(
    workspaces: str | bytes, tmp_path: Path
) -> None:
    """All files are to be matched later. Actions that have started find their rules."""
    loaded_rules = loaded(
        tmp_path, workspaces=workspaces, a=rules(rule(name="a"), rule(name="b", after="{ rules: a }"))
    )
    assert {error.file for error in loaded_rules.errors} == {"rules/workspaces.yaml"}
    assert not loaded_rules.knows_workspaces
    assert loaded_rules.workspace(RunStatusChanged.example()) is None
    assert matching(loaded_rules) == []
    assert set(loaded_rules.refused) == {"rules/workspaces.yaml", "rules/a.yaml"}
    assert loaded_rules.get("a")
    assert [
        rule.name for rule in loaded_rules.following("a", "succeeded", loaded_rules.context(RunStatusChanged.example()))
    ] == ["b"]


def test_labels_that_no_workspace_combines_are_an_error(tmp_path: Path) -> None:
    workspaces = WORKSPACES.replace("env: dev,  team: churn", "env: dev, team: fraud")
    loaded_rules = loaded(tmp_path, workspaces=workspaces, a=rules(rule(**{"in": "{ env: prod, team: fraud }"})))
    assert errors_of(loaded_rules) == [
        "rules/a.yaml:5:9: no workspace has all of these labels. "
        "Each label occurs, but not together with the others: remove one, or write a rule for each."
    ]


def test_alerts_work_despite_errors_among_the_workspaces(tmp_path: Path) -> None:
    loaded_rules = loaded(tmp_path, workspaces="workspaces: {}\nalerts: { do: log }\n")
    assert loaded_rules.alerts
    assert loaded_rules.alerts.source == "rules/workspaces.yaml:2"
    assert loaded(tmp_path, workspaces=WORKSPACES + "alerts: { do: log, with: { x: 1 } }").alerts is None


def test_missing_folder_or_workspaces_yaml_is_an_error(tmp_path: Path) -> None:
    """The hint names a file with a similar name."""
    assert errors_of(load(tmp_path / "rules", {})) == [
        f"rules/workspaces.yaml:1:1: there is no folder {tmp_path}/rules. It holds workspaces.yaml and the rules "
        "files: mlevents init writes the first ones."
    ]
    (tmp_path / "rules").mkdir()
    loaded_rules = load(tmp_path / "rules", {})
    assert errors_of(loaded_rules) == [
        "rules/workspaces.yaml:1:1: there is no file workspaces.yaml. It lists the workspaces whose events are "
        "handled: workspaces: { churn-dev: { id: /subscriptions/…, env: dev } }. mlevents init writes it."
    ]
    (tmp_path / "rules" / "r.yaml").write_text("rules: []")
    [error] = errors_of(load(tmp_path / "rules", {}))
    assert "Did you mean" not in error
    assert (loaded_rules.knows_workspaces, loaded_rules.refused) == (False, {"rules/workspaces.yaml": "missing"})
    (tmp_path / "rules" / "workspaces.yml").write_text(WORKSPACES)
    assert (
        "rules/workspaces.yaml:1:1: there is no file workspaces.yaml. Did you mean rules/workspaces.yml?"
        in errors_of(load(tmp_path / "rules", SETTINGS))
    )


def test_file_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    """For example a link without a target."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "gone.yaml").symlink_to(tmp_path / "nowhere")
    loaded_rules = loaded(tmp_path, a=rules(rule()))
    assert errors_of(loaded_rules) == ["rules/gone.yaml:1:1: the file cannot be read: No such file or directory"]
    assert matching(loaded_rules) == ["a"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["pipe.yaml", "workspaces.yaml"])
def test_pipe_is_an_error(name: str, tmp_path: Path) -> None:
    """Reading it would wait for ever."""
    loaded(tmp_path, a=rules(rule()))
    (tmp_path / "rules" / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / "rules" / name)
    [error] = load(tmp_path / "rules", SETTINGS).errors
    assert str(error) == f"rules/{name}:1:1: the file cannot be read: it is not a regular file"


class Stop(BaseException):
    """An exception that is no Exception, as some test runners and schedulers use."""


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, Stop])
@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("accepts", "does not declare the event types"),
        ("model_validate", "Anything cannot check its settings"),
        ("model_dump_json", "cannot be written as JSON"),
    ],
)
def test_handler_that_raises_no_exception_refuses_its_file_only(
    where: str, message: str, error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading raises no error, whatever a handler does."""

    def broken(*_: object, **__: object) -> None:
        raise error(3)

    monkeypatch.setattr(Anything, where, broken)
    loaded_rules = loaded(tmp_path, a=rules(rule(do="HERE:Anything")), b=rules(rule(name="b")))
    [found] = errors_of(loaded_rules)
    assert message in found
    assert matching(loaded_rules) == ["b"]


@pytest.mark.parametrize("raised", ["SystemExit(3)", "GeneratorExit", "type('Stop', (BaseException,), {})"])
def test_handler_whose_import_raises_no_exception_refuses_its_file_only(
    raised: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "exiting_module.py").write_text(f"raise {raised}\n")
    monkeypatch.syspath_prepend(tmp_path)
    loaded_rules = loaded(tmp_path, a=rules(rule(do="exiting_module:X")), b=rules(rule(name="b")))
    [found] = errors_of(loaded_rules)
    assert "importing 'exiting_module:X' failed: " in found
    assert matching(loaded_rules) == ["b"]


def test_ctrl_c_ends_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`mlevents check` may wait long for an import."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for where in ("accepts", "model_validate", "model_dump_json"):
        with monkeypatch.context() as patch:
            patch.setattr(Anything, where, interrupted)
            with pytest.raises(KeyboardInterrupt):
                loaded(tmp_path, a=rules(rule(do="HERE:Anything")))
    (tmp_path / "interrupted_module.py").write_text("raise KeyboardInterrupt\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        loaded(tmp_path, a=rules(rule(do="interrupted_module:X")))


class TestMostActions:
    """One transaction has 100 operations, and needs two for each action."""

    def test_limit_applies_to_one_event_type_in_one_workspace(self, tmp_path: Path) -> None:
        """Every rule above the limit has an error."""
        many = [rule(name=f"r{n}", on="[RunCompleted, RunStatusChanged]") for n in range(MAX_ACTIONS)]
        loaded_rules = loaded(tmp_path, a=rules(*many))
        assert loaded_rules.errors == ()
        assert len(matching(loaded_rules)) == MAX_ACTIONS
        loaded_rules = loaded(tmp_path, a=rules(*many), b=rules(rule(name="one"), rule(name="two", on="DriftDetected")))
        assert errors_of(loaded_rules) == [
            f"rules/b.yaml:{line}:5: more than 48 rules act on RunStatusChanged in churn-dev. One transaction creates "
            "their actions, with at most 100 operations, two for each. Combine some rules."
            for line in (2, 5)
        ]

    def test_limit_counts_each_workspace_separately(self, tmp_path: Path) -> None:
        def of(name: str) -> list[str]:
            return [rule(name=f"{name}{n}", **{"in": name}) for n in range(MAX_ACTIONS)]

        text = rules(*of("churn-dev"), *of("churn-prod"))
        assert loaded(tmp_path, a=text).errors == ()
        assert len(errors_of(loaded(tmp_path, a=text, b=rules(rule(name="one-more"))))) == 1

    def test_limit_applies_to_rules_that_follow_one_end_of_an_action(self, tmp_path: Path) -> None:
        """An action ends in one way only."""

        def after(outcome: str, count: int) -> list[str]:
            return [rule(name=f"{outcome}{n}", after=f"{{ rules: a, outcome: {outcome} }}") for n in range(count)]

        assert (
            loaded(tmp_path, a=rules(rule(), *after("failed", MAX_ACTIONS), *after("succeeded", MAX_ACTIONS))).errors
            == ()
        )
        [error] = loaded(tmp_path, a=rules(rule(), *after("failed", MAX_ACTIONS), *after("any", 1))).errors
        assert error.message == "more than 48 rules act on the end (failed) of a in churn-dev"


@pytest.mark.parametrize(
    ("name", "is_warned_of"),
    [
        ("team.yamll", True),
        ("team.YAMLL", True),
        ("team.yam", True),
        ("team.ymal", True),
        ("team.yaml.txt", True),
        ("team.yml.TXT", True),
        ("team.yaml~", False),
        ("team.yaml.bak", False),
        ("notes.txt", False),
        ("rules.schema.json", False),
        (".team.yamll", False),
    ],
)
def test_files_whose_names_look_like_those_of_rules_files_cause_a_warning(
    name: str, is_warned_of: bool, tmp_path: Path
) -> None:
    """They are ignored. Backups and other kinds of files are meant to be."""
    hint = "Rules files end in .yaml or .yml: rename it, or move it out of this folder."
    loaded_rules = loaded(tmp_path, **{name: "rules: []"})
    assert [str(warning) for warning in loaded_rules.warnings] == (
        [f"rules/{name}:1:1: the file is ignored because of its name. {hint}"] if is_warned_of else []
    )
    assert loaded_rules.errors == ()


def test_warnings_of_a_file_are_counted_beyond_a_limit() -> None:
    """As errors are; a warning does not refuse the file."""
    file = RuleFile("rules/a.yaml")
    for line in range(MAX_ERRORS + 2):
        file.warning(Position(line + 1, 1), "odd", "Do it otherwise.")
    assert (len(file.warnings), file.refused, file.errors) == (MAX_ERRORS + 1, False, [])
    assert str(file.warnings[0]) == "rules/a.yaml:1:1: odd. Do it otherwise."
    assert file.warnings[-1].message == "2 more warnings in this file"
