"""Which rules an event leads to, and which the end of an action."""

import json
from pathlib import Path

import pytest

from dispatch.guards.dry_run import DryRun
from dispatch.rules import load
from dispatch.rules.rule import Rule, Rules
from handlers.base import Result
from schemas import (
    DatasetDriftDetected,
    Event,
    ModelDeployed,
    ModelRegistered,
    RunCompleted,
    RunStatusChanged,
    parse_event,
)
from tests.kit.rule_files import loaded, rule, rules
from tests.kit.world import SETTINGS

ROOT = Path(__file__).parents[3]
BREACH = {"runTags": {"azureml_modelmonitor_threshold_breached": "The signal 'churn' has failed"}}
ELSEWHERE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/theirs"


def names(found: list[Rule]) -> list[str]:
    return [rule.name for rule in found]


def matching(book: Rules, event: Event) -> list[str]:
    return names(book.matching(book.context(event)))


def following(book: Rules, name: str, status: str, event: Event) -> list[str]:
    return names(book.following(name, status, book.context(event, Result(name, status, "how it went"))))


def in_dev(event: Event) -> Event:
    return event.model_copy(update={"topic": SETTINGS["RULES_WS_CHURN_DEV"]})


class TestOn:
    def test_a_rule_acts_on_the_types_that_it_names(self, tmp_path: Path) -> None:
        """By their short or their full names."""
        full = "Microsoft.MachineLearningServices.ModelDeployed"
        book = loaded(tmp_path, churn=rules(rule(on=f"[RunCompleted, {full}]")))
        assert matching(book, RunCompleted.example()) == matching(book, ModelDeployed.example()) == ["a"]
        assert matching(book, RunStatusChanged.example()) == matching(book, ModelRegistered.example()) == []

    def test_drift_is_both_forms_of_drift(self, tmp_path: Path) -> None:
        """And no other change of a run's status."""
        book = loaded(tmp_path, churn=rules(rule(on="DriftDetected")))
        assert matching(book, DatasetDriftDetected.example()) == ["a"]
        assert matching(book, RunStatusChanged.example(**BREACH)) == ["a"]
        assert matching(book, RunStatusChanged.example()) == []

    def test_drift_beside_the_type_that_can_be_drift_is_no_second_action(self, tmp_path: Path) -> None:
        """And narrows nothing."""
        book = loaded(tmp_path, churn=rules(rule(on="[DriftDetected, RunStatusChanged]")))
        assert matching(book, RunStatusChanged.example(**BREACH)) == matching(book, RunStatusChanged.example()) == ["a"]

    def test_rules_come_in_the_order_of_their_files(self, tmp_path: Path) -> None:
        """Which is that of the files' names, .yml or .yaml."""
        files = {"b": rules(rule(name="b2"), rule(name="b1")), "a.yml": rules(rule(name="z"))}
        (tmp_path / "rules" / "folder.yaml").mkdir(parents=True)
        book = loaded(tmp_path, **files, **{"notes.txt": "not rules", ".hidden.yaml": "not: rules"})
        assert book.errors == ()
        assert matching(book, RunStatusChanged.example()) == ["z", "b2", "b1"]


class TestIn:
    @pytest.mark.parametrize(
        ("where", "dev", "prod"),
        [
            ("churn-dev", True, False),
            ("[churn-prod, churn-dev]", True, True),
            ("{ env: prod }", False, True),
            ("{ env: [dev, prod] }", True, True),
            ("{ env: dev, team: churn }", True, False),
        ],
    )
    def test_a_rule_acts_in_the_workspaces_that_it_chooses(
        self, where: str, dev: bool, prod: bool, tmp_path: Path
    ) -> None:
        """By name, by names, or by labels, all of which must fit."""
        book = loaded(tmp_path, churn=rules(rule(**{"in": where})))
        assert bool(matching(book, RunStatusChanged.example())) is prod
        assert bool(matching(book, in_dev(RunStatusChanged.example()))) is dev

    def test_labels_are_texts_whatever_they_look_like(self, tmp_path: Path) -> None:
        """A number or true in a label is found by what is written."""
        id = SETTINGS["RULES_WS_CHURN_PROD"]
        workspaces = f"workspaces: {{ it: {{ id: {id}, tier: 01, live: true, since: 2026-11-22 }} }}"
        book = loaded(tmp_path, workspaces=workspaces, churn=rules(rule(**{"in": "{ tier: 01, live: [true, false] }"})))
        assert [str(m) for m in book.errors] == [
            "rules/churn.yaml:5:34: no workspace has live: 'false'. The values of live are true."
        ]
        book = loaded(tmp_path, workspaces=workspaces, churn=rules(rule(**{"in": '{ tier: "01", live: true }'})))
        workspace = book.workspace(RunStatusChanged.example())
        assert workspace
        assert workspace.labels == {"tier": "01", "live": "true", "since": "2026-11-22"}
        assert matching(book, RunStatusChanged.example()) == ["a"]

    def test_a_workspace_is_known_whatever_the_case_of_its_id(self, tmp_path: Path) -> None:
        """As ARM has it."""
        event = RunStatusChanged.example()
        loud = event.model_copy(update={"topic": event.topic.upper()})
        workspace = loaded(tmp_path).workspace(loud)
        assert workspace
        assert workspace.view() == {"name": "churn-prod", "labels": {"env": "prod", "team": "churn"}}

    def test_a_foreign_workspace_matches_nothing(self, tmp_path: Path) -> None:
        """Not even a rule for all workspaces."""
        book = loaded(tmp_path, churn=rules(rule()))
        foreign = RunStatusChanged.example().model_copy(update={"topic": ELSEWHERE})
        assert book.knows_workspaces
        assert book.workspace(foreign) is None
        assert matching(book, foreign) == []


class TestWhen:
    @pytest.mark.parametrize(
        ("when", "holds"),
        [
            ("data.runStatus StringIn Failed", True),
            ("[data.runStatus StringIn Failed, data.runType StringIn nothing]", False),
            ("{ any: [data.runStatus StringIn Running, data.runTags.team IsNotNull] }", True),
            ("[{ any: [data.runStatus StringIn Running, data.runTags.nobody IsNotNull] }]", False),
            ("{ any: [{ all: [data.runStatus StringIn Failed, data.runId IsNotNull] }] }", True),
            ("{ all: [data.runStatus StringIn Failed, { any: [data.nothing IsNotNull] }] }", False),
            ("workspace.labels.env StringIn prod", True),
            ("workspace.name StringIn churn-dev", False),
            ("result.status IsNotNull", False),
        ],
    )
    def test_all_conditions_must_hold_and_one_of_any(self, when: str, holds: bool, tmp_path: Path) -> None:
        """They see the event as templates do."""
        book = loaded(tmp_path, churn=rules(rule(when=when)))
        assert book.errors == ()
        assert bool(matching(book, RunStatusChanged.example())) is holds


class TestAfter:
    def test_a_rule_follows_the_outcome_that_it_names(self, tmp_path: Path) -> None:
        """Succeeded, if it names none."""
        outcomes = ("succeeded", "failed", "skipped", "any")
        after = [rule(name=o, after=f"{{ rules: [root, other], outcome: {o} }}") for o in outcomes]
        text = rules(rule(name="root"), rule(name="other"), rule(name="plain", after="{ rules: root }"), *after)
        book = loaded(tmp_path, churn=text)
        event = RunStatusChanged.example()
        assert following(book, "root", "succeeded", event) == ["plain", "succeeded", "any"]
        assert (
            following(book, "root", "failed", event) == following(book, "other", "failed", event) == ["failed", "any"]
        )
        assert following(book, "root", "skipped", event) == ["skipped", "any"]
        assert following(book, "plain", "succeeded", event) == []
        assert matching(book, event) == ["root", "other"]

    def test_its_own_in_and_when_must_hold(self, tmp_path: Path) -> None:
        """`when` sees the result."""
        after = "{ rules: root, outcome: any }"
        text = rules(
            rule(name="root"),
            rule(name="in-dev", after=after, **{"in": "{ env: dev }"}),
            rule(name="if-failed", after=after, when="result.status StringIn failed"),
        )
        book = loaded(tmp_path, churn=text)
        assert book.errors == ()
        assert following(book, "root", "failed", RunStatusChanged.example()) == ["if-failed"]
        assert following(book, "root", "skipped", in_dev(RunStatusChanged.example())) == ["in-dev"]

    def test_it_may_stand_in_another_file(self, tmp_path: Path) -> None:
        """Before or after what it follows."""
        book = loaded(tmp_path, a=rules(rule(name="x", after="{ rules: y }")), b=rules(rule(name="y")))
        assert following(book, "y", "succeeded", RunStatusChanged.example()) == ["x"]


class TestWhatARuleCarries:
    def test_where_it_stands_what_it_does_and_how_it_retries(self, tmp_path: Path) -> None:
        """For the history, and for the mails that it sends."""
        text = rules(rule(name="b"), rule(dry_run="true", retry="{ for: 2h }", **{"with": "{ level: error }"}))
        found = loaded(tmp_path, churn=text).get("a")
        assert found
        assert (found.file, found.source, found.do) == ("rules/churn.yaml", "rules/churn.yaml:5", "log")
        assert found.retry.max_elapsed.total_seconds() == 7200
        assert found.guards == (DryRun(found.handler),)
        assert found.action().rule == "a"

    def test_the_hash_of_its_settings_changes_with_them(self, tmp_path: Path) -> None:
        """And not with where it stands or what it is called, nor with a secret."""
        a = "{ level: error }"
        texts = [rule(**{"with": a}), rule(name="b", **{"with": a}), rule(name="c", **{"with": "{ level: info }"})]
        secret = rule(name="d", do="HERE:Call", **{"with": '{ password: "${RULES_P}" }'})
        one = loaded(tmp_path, {"RULES_P": "one"}, churn=rules(*texts, secret)).by_name
        two = loaded(tmp_path, {"RULES_P": "two"}, churn=rules(*texts, secret)).by_name
        assert one["a"].settings_hash == one["b"].settings_hash != one["c"].settings_hash
        assert one["d"].settings_hash == two["d"].settings_hash
        assert one["d"].handler != two["d"].handler

    def test_alerts_are_a_handler(self, tmp_path: Path) -> None:
        """Or nothing, if workspaces.yaml names none."""
        assert loaded(tmp_path).alerts is None
        workspaces = (ROOT / "samples" / "rules" / "workspaces.yaml").read_text()
        alerts = loaded(tmp_path, workspaces=workspaces).alerts
        assert alerts
        assert (alerts.do, type(alerts.handler).__name__) == ("email", "Email")


class TestTheSampleRules:
    """rules/ as it is delivered, with the settings of local.settings.json.example and the events of samples/."""

    @pytest.fixture
    def book(self) -> Rules:
        settings = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
        return load(ROOT / "samples" / "rules", settings)

    def test_they_have_no_mistakes(self, book: Rules) -> None:
        assert book.errors == ()
        assert book.refused == {}

    @pytest.mark.parametrize("sample", sorted((ROOT / "samples").glob("*_*.json")), ids=lambda path: path.stem)
    def test_every_sample_is_logged_and_somebody_is_mailed(self, book: Rules, sample: Path) -> None:
        [raw] = json.loads(sample.read_text())
        event = parse_event(raw)
        context = book.context(event)
        assert context.workspace
        found, event = book.matching(context), context.event_for_handler()
        assert {"email", "log"} <= {rule.do for rule in found if not rule.guards}
        assert all(rule.handler.plan(event) for rule in found)

    def test_the_end_of_a_mail_is_logged_however_it_ended(self, book: Rules) -> None:
        event = RunStatusChanged.example()
        for status in ("succeeded", "failed", "skipped"):
            assert following(book, "mail-failed-runs", status, event) == ["log-mail-about-failed-runs"]
