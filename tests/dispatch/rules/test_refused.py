"""A file with a mistake is refused alone, and what it takes with it is no more than it must."""

from pathlib import Path

import pytest

from dispatch.inbox.actions import MAX_ACTIONS
from dispatch.rules import load
from dispatch.rules.rule import Rules
from schemas import RunStatusChanged
from tests.kit.rule_files import loaded, rule, rules
from tests.kit.world import SETTINGS, WORKSPACES

BAD = rules(rule(name="bad", zzz="1"))


def told(book: Rules) -> list[str]:
    return [str(mistake) for mistake in book.errors]


def matching(book: Rules) -> list[str]:
    return [rule.name for rule in book.matching(book.context(RunStatusChanged.example()))]


def test_the_other_files_work(tmp_path: Path) -> None:
    """All rules of the refused one are gone, also those without a mistake."""
    book = loaded(tmp_path, a=rules(rule(name="a")), b=rules(rule(name="b")) + rule(name="c", zzz="1"))
    assert matching(book) == ["a"]
    assert (book.get("a") is not None, book.get("b")) == (True, None)
    assert list(book.refused) == ["rules/b.yaml"]


def test_what_is_refused_is_known_by_its_content(tmp_path: Path) -> None:
    """So that one sees whether it has changed since."""
    digests = [loaded(tmp_path, b=text).refused["rules/b.yaml"] for text in (BAD, BAD, BAD + "# more")]
    assert digests[0] == digests[1] != digests[2]
    assert all(0 < len(digest) < 20 for digest in digests)


def test_of_two_rules_of_a_name_the_later_is_refused(tmp_path: Path) -> None:
    """And the mistake says where the other one is."""
    book = loaded(tmp_path, a=rules(rule(name="x")), b=rules(rule(name="y"), rule(name="x")))
    assert told(book) == ["rules/b.yaml:5:11: a rule x stands at rules/a.yaml:2, too. Give this one another name."]
    assert matching(book) == ["x"]


def test_a_name_is_taken_also_by_a_refused_file(tmp_path: Path) -> None:
    """For the file may come back."""
    book = loaded(tmp_path, a=BAD, b=rules(rule(name="bad")))
    assert list(book.refused) == ["rules/a.yaml", "rules/b.yaml"]


def test_a_rule_may_follow_one_of_a_refused_file(tmp_path: Path) -> None:
    """For the file may come back; and of a file that cannot be read, nobody knows what rules it has."""
    for a in (BAD, "rules: [", b"\xff", b"\0"):
        book = loaded(tmp_path, a=a, b=rules(rule(name="b", after="{ rules: bad }")))
        assert list(book.refused) == ["rules/a.yaml"]
        assert book.get("b")


def test_a_rule_may_not_follow_one_that_no_file_has(tmp_path: Path) -> None:
    """The mistake names one that is like it."""
    book = loaded(tmp_path, a=BAD, b=rules(rule(name="b", after="{ rules: bat }")))
    assert told(book)[1:] == ["rules/b.yaml:4:21: there is no rule 'bat' to follow. Did you mean bad?"]


def test_a_circle_over_files_is_told_once(tmp_path: Path) -> None:
    """With the last of its rules; who follows a rule of the circle from outside has no part in it."""
    book = loaded(
        tmp_path,
        a=rules(rule(name="a", after="{ rules: [x, c] }"), rule(name="x")),
        b=rules(rule(name="b", after="{ rules: a }")),
        c=rules(rule(name="c", after="{ rules: b }")),
        d=rules(rule(name="d", after="{ rules: c }")),
    )
    assert told(book) == [
        "rules/c.yaml:4:21: these rules go round in a circle: c after b after a after c. "
        "One of them must have 'on' instead."
    ]


def test_two_circles_are_told_each(tmp_path: Path) -> None:
    """Even if a rule is in both."""
    a = rules(rule(name="a", after="{ rules: [b, c] }"))
    bc = rules(rule(name="b", after="{ rules: a }"), rule(name="c", after="{ rules: a }"))
    assert [m.message for m in loaded(tmp_path, a=a, b=bc).errors] == [
        "these rules go round in a circle: b after a after b",
        "these rules go round in a circle: c after a after c",
    ]


@pytest.mark.parametrize(
    "workspaces",
    [WORKSPACES + "zzz: 1\n", "workspaces: [", "workspaces: {}", b"\xff", WORKSPACES + "alerts: { do: x }"],
)
def test_while_workspaces_yaml_is_refused_nothing_matches_and_nothing_is_foreign(
    workspaces: str | bytes, tmp_path: Path
) -> None:
    """All files are left to be asked later; only one has mistakes, and what is under way finds its rules."""
    book = loaded(tmp_path, workspaces=workspaces, a=rules(rule(name="a"), rule(name="b", after="{ rules: a }")))
    assert {mistake.file for mistake in book.errors} == {"rules/workspaces.yaml"}
    assert not book.knows_workspaces
    assert book.workspace(RunStatusChanged.example()) is None
    assert matching(book) == []
    assert set(book.refused) == {"rules/workspaces.yaml", "rules/a.yaml"}
    assert book.get("a")
    assert [rule.name for rule in book.following("a", "succeeded", book.context(RunStatusChanged.example()))] == ["b"]


def test_labels_that_no_workspace_has_together_are_a_mistake(tmp_path: Path) -> None:
    """The rule could never act."""
    workspaces = WORKSPACES.replace("env: dev,  team: churn", "env: dev, team: fraud")
    book = loaded(tmp_path, workspaces=workspaces, a=rules(rule(**{"in": "{ env: prod, team: fraud }"})))
    assert told(book) == [
        "rules/a.yaml:5:9: no workspace has all of these labels. "
        "Some have one and some another: leave one out, or write a rule for each."
    ]


def test_alerts_outlive_a_mistake_among_the_workspaces(tmp_path: Path) -> None:
    """Somebody must be told of it."""
    book = loaded(tmp_path, workspaces="workspaces: {}\nalerts: { do: log }\n")
    assert book.alerts
    assert book.alerts.source == "rules/workspaces.yaml:2"
    assert loaded(tmp_path, workspaces=WORKSPACES + "alerts: { do: log, with: { x: 1 } }").alerts is None


def test_a_missing_folder_and_a_missing_file_are_mistakes(tmp_path: Path) -> None:
    """The hint looks for a file of a similar name."""
    assert told(load(tmp_path / "rules", {})) == [
        "rules/workspaces.yaml:1:1: there is no such folder. It holds workspaces.yaml and the rules files."
    ]
    (tmp_path / "rules").mkdir()
    book = load(tmp_path / "rules", {})
    assert told(book) == [
        "rules/workspaces.yaml:1:1: there is no such file. It lists the workspaces whose events are handled."
    ]
    assert (book.knows_workspaces, book.refused) == (False, {"rules/workspaces.yaml": "missing"})
    (tmp_path / "rules" / "workspaces.yml").write_text(WORKSPACES)
    assert "rules/workspaces.yaml:1:1: there is no such file. Did you mean rules/workspaces.yml?" in told(
        load(tmp_path / "rules", SETTINGS)
    )


def test_a_file_that_cannot_be_opened_is_a_mistake(tmp_path: Path) -> None:
    """A link that leads nowhere, say."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "gone.yaml").symlink_to(tmp_path / "nowhere")
    book = loaded(tmp_path, a=rules(rule()))
    assert told(book) == ["rules/gone.yaml:1:1: the file cannot be read: No such file or directory"]
    assert matching(book) == ["a"]


class TestMostActions:
    """What one transaction can write down, and two of its operations for each action."""

    def test_on_one_type_of_event_in_one_workspace(self, tmp_path: Path) -> None:
        """Every rule beyond is told, and its file refused."""
        many = [rule(name=f"r{n}", on="[RunCompleted, RunStatusChanged]") for n in range(MAX_ACTIONS)]
        book = loaded(tmp_path, a=rules(*many))
        assert book.errors == ()
        assert len(matching(book)) == MAX_ACTIONS
        book = loaded(tmp_path, a=rules(*many), b=rules(rule(name="one"), rule(name="two", on="DriftDetected")))
        assert told(book) == [
            f"rules/b.yaml:{line}:5: more than 48 rules act on RunStatusChanged in churn-dev. They are written down in "
            "one transaction, which takes 100 operations, two of them for each. Combine some."
            for line in (2, 5)
        ]

    def test_rules_of_other_workspaces_do_not_count(self, tmp_path: Path) -> None:
        """So that each of many teams can have many rules."""

        def of(name: str) -> list[str]:
            return [rule(name=f"{name}{n}", **{"in": name}) for n in range(MAX_ACTIONS)]

        text = rules(*of("churn-dev"), *of("churn-prod"))
        assert loaded(tmp_path, a=text).errors == ()
        assert len(told(loaded(tmp_path, a=text, b=rules(rule(name="one-more"))))) == 1

    def test_on_one_end_of_an_action(self, tmp_path: Path) -> None:
        """An action ends but in one way."""

        def after(outcome: str, count: int) -> list[str]:
            return [rule(name=f"{outcome}{n}", after=f"{{ rules: a, outcome: {outcome} }}") for n in range(count)]

        assert (
            loaded(tmp_path, a=rules(rule(), *after("failed", MAX_ACTIONS), *after("succeeded", MAX_ACTIONS))).errors
            == ()
        )
        [mistake] = loaded(tmp_path, a=rules(rule(), *after("failed", MAX_ACTIONS), *after("any", 1))).errors
        assert mistake.message == "more than 48 rules act on the end (failed) of a in churn-dev"
