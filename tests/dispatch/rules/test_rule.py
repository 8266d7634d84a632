"""Rules that match an event, and rules that follow the end of an action."""

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
from tests.kit.rule_files import loaded, rule
from tests.kit.world import SETTINGS, WORKSPACES, rules

ROOT = Path(__file__).parents[3]
BREACH = {"runTags": {"azureml_modelmonitor_threshold_breached": "The signal 'churn' has failed"}}
ELSEWHERE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/theirs"


def names(found: list[Rule]) -> list[str]:
    return [rule.name for rule in found]


def matching(loaded_rules: Rules, event: Event) -> list[str]:
    return names(loaded_rules.matching(event))


def following(loaded_rules: Rules, name: str, status: str, event: Event) -> list[str]:
    return names(loaded_rules.following(name, status, loaded_rules.context(event, Result(name, status, "how it went"))))


def in_dev(event: Event) -> Event:
    return event.model_copy(update={"topic": SETTINGS["RULES_WS_CHURN_DEV"]})


class TestOn:
    def test_rule_matches_the_event_types_that_it_names(self, tmp_path: Path) -> None:
        """By their short or their full names."""
        full = "Microsoft.MachineLearningServices.ModelDeployed"
        loaded_rules = loaded(tmp_path, churn=rules(rule(on=f"[RunCompleted, {full}]")))
        assert (
            matching(loaded_rules, RunCompleted.example()) == matching(loaded_rules, ModelDeployed.example()) == ["a"]
        )
        assert (
            matching(loaded_rules, RunStatusChanged.example())
            == matching(loaded_rules, ModelRegistered.example())
            == []
        )

    def test_drift_detected_matches_both_forms_of_drift(self, tmp_path: Path) -> None:
        """It matches no other change of a run's status."""
        loaded_rules = loaded(tmp_path, churn=rules(rule(on="DriftDetected")))
        assert matching(loaded_rules, DatasetDriftDetected.example()) == ["a"]
        assert matching(loaded_rules, RunStatusChanged.example(**BREACH)) == ["a"]
        assert matching(loaded_rules, RunStatusChanged.example()) == []

    def test_drift_detected_beside_run_status_changed_matches_an_event_once(self, tmp_path: Path) -> None:
        loaded_rules = loaded(tmp_path, churn=rules(rule(on="[DriftDetected, RunStatusChanged]")))
        assert (
            matching(loaded_rules, RunStatusChanged.example(**BREACH))
            == matching(loaded_rules, RunStatusChanged.example())
            == ["a"]
        )

    def test_rules_match_in_the_order_of_their_files(self, tmp_path: Path) -> None:
        """Files are sorted by name, with .yml and .yaml together."""
        files = {"b": rules(rule(name="b2"), rule(name="b1")), "a.yml": rules(rule(name="z"))}
        (tmp_path / "rules" / "folder.yaml").mkdir(parents=True)
        loaded_rules = loaded(tmp_path, **files, **{"notes.txt": "not rules", ".hidden.yaml": "not: rules"})
        assert loaded_rules.errors == ()
        assert matching(loaded_rules, RunStatusChanged.example()) == ["z", "b2", "b1"]


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
    def test_rule_matches_in_the_workspaces_that_it_chooses(
        self, where: str, dev: bool, prod: bool, tmp_path: Path
    ) -> None:
        loaded_rules = loaded(tmp_path, churn=rules(rule(**{"in": where})))
        assert bool(matching(loaded_rules, RunStatusChanged.example())) is prod
        assert bool(matching(loaded_rules, in_dev(RunStatusChanged.example()))) is dev

    def test_labels_are_compared_as_written(self, tmp_path: Path) -> None:
        id = SETTINGS["RULES_WS_CHURN_PROD"]
        workspaces = f"workspaces: {{ it: {{ id: {id}, tier: 01, live: true, since: 2026-11-22 }} }}"
        loaded_rules = loaded(
            tmp_path, workspaces=workspaces, churn=rules(rule(**{"in": "{ tier: 01, live: [true, false] }"}))
        )
        assert [str(m) for m in loaded_rules.errors] == [
            "rules/churn.yaml:5:34: no workspace has live: 'false'. The values of live are true."
        ]
        loaded_rules = loaded(
            tmp_path, workspaces=workspaces, churn=rules(rule(**{"in": '{ tier: "01", live: true }'}))
        )
        workspace = loaded_rules.workspace(RunStatusChanged.example())
        assert workspace
        assert workspace.labels == {"tier": "01", "live": "true", "since": "2026-11-22"}
        assert matching(loaded_rules, RunStatusChanged.example()) == ["a"]

    def test_case_of_a_workspace_id_does_not_matter(self, tmp_path: Path) -> None:
        event = RunStatusChanged.example()
        loud = event.model_copy(update={"topic": event.topic.upper()})
        workspace = loaded(tmp_path).workspace(loud)
        assert workspace
        labels = {"env": "prod", "team": "churn"}
        assert workspace.view() == {"name": "churn-prod", "labels": labels, "timezone": "UTC"}

    def test_events_of_unlisted_workspaces_match_no_rule(self, tmp_path: Path) -> None:
        loaded_rules = loaded(tmp_path, churn=rules(rule()))
        foreign = RunStatusChanged.example().model_copy(update={"topic": ELSEWHERE})
        assert loaded_rules.knows_workspaces
        assert loaded_rules.workspace(foreign) is None
        assert matching(loaded_rules, foreign) == []


def test_a_workspace_has_its_own_time_zone_else_that_of_the_file(tmp_path: Path) -> None:
    """`timezone` of a workspace is a label, too: `in` can choose by it."""
    text = WORKSPACES.replace("env: dev", "env: dev, timezone: Asia/Tokyo") + "timezone: Europe/Berlin\n"
    by_zone = rules(rule(**{"in": "{ timezone: Asia/Tokyo }"}))
    loaded_rules = loaded(tmp_path, workspaces=text, churn=by_zone)
    assert loaded_rules.errors == ()
    zones = {workspace.name: workspace.view()["timezone"] for workspace in loaded_rules.workspaces or ()}
    assert zones == {"churn-dev": "Asia/Tokyo", "churn-prod": "Europe/Berlin"}
    assert loaded_rules.by_name["a"].workspaces == frozenset({"churn-dev"})


def test_matching_an_event_equals_matching_its_context(tmp_path: Path) -> None:
    """With the labels of its workspace, and none if its workspace is not listed."""
    loaded_rules = loaded(tmp_path, churn=rules(rule(when="workspace.labels.env StringIn dev")))
    for event, expected in ((in_dev(RunStatusChanged.example()), ["a"]), (RunStatusChanged.example(), [])):
        assert names(loaded_rules.matching(event)) == expected
        assert names(loaded_rules.matching(loaded_rules.context(event))) == expected
    unlisted = RunStatusChanged.example().model_copy(update={"topic": ELSEWHERE})
    assert loaded_rules.matching(unlisted) == loaded_rules.matching(loaded_rules.context(unlisted)) == []


class TestWhen:
    @pytest.mark.parametrize(
        ("when", "holds"),
        [
            ("data.runStatus StringIn Failed", True),
            ("[data.runStatus StringIn Failed, data.runType StringIn nothing]", False),
            ("{ any: [data.runStatus StringIn Running, data.runTags.team IsNotNull] }", True),
            ("[{ any: [data.runStatus StringIn Running, data.runTags.nobody IsNotNull] }]", False),
            ("{ any: [{ all: [data.runStatus StringIn Failed, data.runId IsNotNull] }] }", True),
            ("{ all: [data.runStatus StringIn Failed, { any: [data.runTags.nothing IsNotNull] }] }", False),
            ("workspace.labels.env StringIn prod", True),
            ("workspace.name StringIn churn-dev", False),
            ("drift IsNotNull", False),
        ],
    )
    def test_when_needs_all_conditions_and_one_of_any(self, when: str, holds: bool, tmp_path: Path) -> None:
        loaded_rules = loaded(tmp_path, churn=rules(rule(when=when)))
        assert loaded_rules.errors == ()
        assert bool(matching(loaded_rules, RunStatusChanged.example())) is holds


class TestAfter:
    def test_rule_follows_the_outcome_that_it_names(self, tmp_path: Path) -> None:
        """The default is `succeeded`."""
        outcomes = ("succeeded", "failed", "skipped", "any")
        after = [rule(name=o, after=f"{{ rules: [root, other], outcome: {o} }}") for o in outcomes]
        text = rules(rule(name="root"), rule(name="other"), rule(name="plain", after="{ rules: root }"), *after)
        loaded_rules = loaded(tmp_path, churn=text)
        event = RunStatusChanged.example()
        assert following(loaded_rules, "root", "succeeded", event) == ["plain", "succeeded", "any"]
        assert (
            following(loaded_rules, "root", "failed", event)
            == following(loaded_rules, "other", "failed", event)
            == ["failed", "any"]
        )
        assert following(loaded_rules, "root", "skipped", event) == ["skipped", "any"]
        assert following(loaded_rules, "plain", "succeeded", event) == []
        assert matching(loaded_rules, event) == ["root", "other"]

    def test_in_and_when_apply_to_a_following_rule(self, tmp_path: Path) -> None:
        """`when` can read the result."""
        after = "{ rules: root, outcome: any }"
        text = rules(
            rule(name="root"),
            rule(name="in-dev", after=after, **{"in": "{ env: dev }"}),
            rule(name="if-failed", after=after, when="result.status StringIn failed"),
        )
        loaded_rules = loaded(tmp_path, churn=text)
        assert loaded_rules.errors == ()
        assert following(loaded_rules, "root", "failed", RunStatusChanged.example()) == ["if-failed"]
        assert following(loaded_rules, "root", "skipped", in_dev(RunStatusChanged.example())) == ["in-dev"]

    def test_followed_rule_may_be_in_another_file(self, tmp_path: Path) -> None:
        loaded_rules = loaded(tmp_path, a=rules(rule(name="x", after="{ rules: y }")), b=rules(rule(name="y")))
        assert following(loaded_rules, "y", "succeeded", RunStatusChanged.example()) == ["x"]


class TestWhatARuleCarries:
    def test_rule_knows_its_position_handler_retry_and_guards(self, tmp_path: Path) -> None:
        text = rules(rule(name="b"), rule(dry_run="true", retry="{ for: 2h }", **{"with": "{ level: error }"}))
        found = loaded(tmp_path, churn=text).get("a")
        assert found
        assert (found.file, found.source, found.do) == ("rules/churn.yaml", "rules/churn.yaml:5", "log")
        assert found.retry.max_elapsed.total_seconds() == 7200
        assert found.guards == (DryRun(found.handler),)
        assert found.action().rule == "a"

    def test_settings_hash_depends_on_the_settings_only(self, tmp_path: Path) -> None:
        """Not on the rule's position or name, nor on secrets."""
        a = "{ level: error }"
        texts = [rule(**{"with": a}), rule(name="b", **{"with": a}), rule(name="c", **{"with": "{ level: info }"})]
        secret = rule(name="d", do="HERE:Call", **{"with": '{ password: "${RULES_P}" }'})
        one = loaded(tmp_path, {"RULES_P": "one"}, churn=rules(*texts, secret)).by_name
        two = loaded(tmp_path, {"RULES_P": "two"}, churn=rules(*texts, secret)).by_name
        assert one["a"].settings_hash == one["b"].settings_hash != one["c"].settings_hash
        assert one["d"].settings_hash == two["d"].settings_hash
        assert one["d"].handler != two["d"].handler

    def test_alerts_have_a_handler_if_workspaces_yaml_names_one(self, tmp_path: Path) -> None:
        assert loaded(tmp_path).alerts is None
        workspaces = (ROOT / "samples" / "rules" / "workspaces.yaml").read_text()
        alerts = loaded(tmp_path, workspaces=workspaces).alerts
        assert alerts
        assert (alerts.do, type(alerts.handler).__name__) == ("email", "Email")


FROM_AZURE = [
    path
    for path in sorted((ROOT / "samples").glob("*_*.json"))
    if parse_event(json.loads(path.read_text())[0]).from_azure
]


class TestTheSampleRules:
    """rules/ as it is delivered, with the settings of local.settings.json.example and the events of samples/."""

    @pytest.fixture
    def loaded_rules(self) -> Rules:
        settings = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
        return load(ROOT / "samples" / "rules", settings)

    def test_sample_rules_have_no_errors(self, loaded_rules: Rules) -> None:
        assert loaded_rules.errors == ()
        assert loaded_rules.refused == {}

    @pytest.mark.parametrize("sample", FROM_AZURE, ids=lambda path: path.stem)
    def test_sample_rules_log_and_mail_every_sample_event(self, loaded_rules: Rules, sample: Path) -> None:
        """Of Azure's event types."""
        [raw] = json.loads(sample.read_text())
        event = parse_event(raw)
        context = loaded_rules.context(event)
        assert context.workspace
        found, event = loaded_rules.matching(context), context.event_for_handler()
        expected = {"BlobCreated": {"pipeline"}, "BlobDeleted": {"log"}}.get(type(event).__name__, {"email", "log"})
        assert expected <= {rule.do for rule in found if not rule.guards}
        assert all(rule.handler.plan(event) for rule in found)

    def test_every_outcome_of_a_mail_is_logged(self, loaded_rules: Rules) -> None:
        event = RunStatusChanged.example()
        for status in ("succeeded", "failed", "skipped"):
            assert following(loaded_rules, "mail-failed-runs", status, event) == ["log-mail-about-failed-runs"]
