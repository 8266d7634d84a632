"""`mlevents events`, `show` and `explain`, on the rows of an app in Azurite."""

import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.receive import receive
from dispatch.sweep import sweep
from mlevents.__main__ import main
from schemas import Event, ModelRegistered, RunStatusChanged
from tests.kit.world import entry, rule
from tests.mlevents.commands.deployed import Deployed

FAILED = RunStatusChanged.example(id="e1", run_id="bold_ant", run_status="Failed", event_time="2026-11-22T08:00:00Z")
MODEL = ModelRegistered.example(id="m1", model_name="churn", model_version="7", event_time="2026-11-21T08:00:00Z")


@pytest.fixture
def recorded(deployed: Deployed) -> Deployed:
    """An app that has handled two events."""
    deployed.rules(rule("mail"), rule("deploy", "give-up no quota left", on="ModelRegistered"))
    deployed.receive(FAILED, MODEL)
    deployed.work()
    return deployed


def shown(out: str) -> list[str]:
    """The lines after those about settings and storage."""
    return [line for line in out.splitlines() if not line.startswith(("settings are ", "storage is "))]


def with_rules(deployed: Deployed, *events: Event) -> Deployed:
    deployed.receive(*events)
    deployed.work()
    return deployed


class TestEvents:
    def test_events_are_listed_with_their_actions(self, recorded: Deployed) -> None:
        code, out = recorded.run("events")
        assert (code, shown(out)) == (
            0,
            [
                "2026-11-22 08:00:00  RunStatusChanged  churn-prod  bold_ant",
                "                     mail: succeeded  done",
                "2026-11-21 08:00:00  ModelRegistered  churn-prod  churn",
                "                     deploy: failed  no quota left",
            ],
        )

    @pytest.mark.parametrize(
        ("conditions", "ids"),
        [
            (("--status", "failed"), ["m1"]),
            (("--status", "Failed"), ["m1"]),
            (("--type", "Microsoft.MachineLearningServices.ModelRegistered"), ["m1"]),
            (("--rule", "mail"), ["e1"]),
            (("--type", "modelregistered"), ["m1"]),
            (("--object", "bold_ant", "--workspace", "churn-prod"), ["e1"]),
            (("--text", "quota"), ["m1"]),
            (("--from", "2026-11-22"), ["e1"]),
            (("--until", "2026-11-22"), ["m1"]),
            (("--limit", "1"), ["e1"]),
            (("--status", "running"), []),
        ],
    )
    def test_conditions_choose_events(self, recorded: Deployed, conditions: tuple[str, ...], ids: list[str]) -> None:
        code, out = recorded.run("events", "--json", *conditions)
        assert (code, [event["id"] for event in json.loads(out)["events"]]) == (0, ids)

    def test_next_page_begins_at_the_cursor(self, recorded: Deployed) -> None:
        _, out = recorded.run("events", "--json", "--limit", "1")
        _, out = recorded.run("events", "--json", "--after", json.loads(out)["cursor"])
        assert [event["id"] for event in json.loads(out)["events"]] == ["m1"]
        assert json.loads(out)["cursor"] is None
        _, out = recorded.run("events", "--limit", "1")
        assert shown(out)[-1].startswith("older events, before 2026-11-22 08:00:00: add --after 2026-11-22/")

    def test_json_has_the_actions(self, recorded: Deployed) -> None:
        _, out = recorded.run("events", "--json", "--rule", "deploy")
        [event] = json.loads(out)["events"]
        assert (event["type"], event["object"], event["time"]) == (
            "ModelRegistered",
            "churn",
            "2026-11-21T08:00:00+00:00",
        )
        [action] = event["actions"]
        assert (action["rule"], action["status"], action["note"], action["due"]) == (
            "deploy",
            "failed",
            "no quota left",
            None,
        )
        assert [entry["status"] for entry in action["timeline"]] == ["pending", "running", "failed"]

    def test_empty_record_says_so(self, deployed: Deployed) -> None:
        assert shown(deployed.run("events")[1]) == ["no event is recorded"]
        assert shown(deployed.run("events", "--rule", "x")[1]) == ["no recorded event satisfies the conditions"]

    def test_invalid_arguments_are_refused(self, deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
        for arguments, text in (
            (("--after", "yesterday"), "'yesterday' is not the cursor of a page"),
            (("--from", "soon"), "'soon' is not a time"),
            (("--status", "faild"), "there is no status 'faild'; it is one of pending, running, waiting, succeeded"),
            (("--type", "ModelRegisterd"), "there is no type 'ModelRegisterd'; it is one of RunCompleted"),
        ):
            assert main(["events", "--app", str(deployed.folder), *arguments]) == 2
            assert text in capsys.readouterr().err


class TestShow:
    @pytest.mark.parametrize("is_indexed", [False, True])
    @pytest.mark.parametrize("name", ["m1", "churn", "CHURN:7"])
    def test_one_event_is_shown_whole(self, deployed: Deployed, name: str, is_indexed: bool) -> None:
        """Whether the sweep has indexed it or not; it is found among new ones if it is of today."""
        deployed.rules(rule("deploy", "give-up no quota left", on="ModelRegistered"))
        now = f"{deployed.app.now():%Y-%m-%dT%H:%M:%SZ}"
        with_rules(deployed, MODEL.model_copy(update={"event_time": deployed.app.now()}))
        if is_indexed:
            sweep(deployed.app)
        code, out = deployed.run("show", name)
        lines = shown(out)
        assert code == 0
        assert lines[0] == "ModelRegistered  churn-prod  churn"
        assert f"  time      {now[:10]}" in lines[3]
        assert "deploy: failed  no quota left" in lines
        assert '      "modelVersion": "7",' in lines

    def test_several_events_are_listed(self, recorded: Deployed) -> None:
        with_rules(recorded, FAILED.model_copy(update={"id": "e2"}))
        sweep(recorded.app)
        code, out = recorded.run("show", "bold_ant")
        assert (code, out.count("RunStatusChanged  churn-prod  bold_ant")) == (0, 2)
        key = out.rpartition("one of 2: `mlevents show ")[2].partition("`")[0]
        assert "  payload" not in out
        assert f"  key       2026-11-22 {key}" in shown(recorded.run("show", key)[1])
        found = json.loads(recorded.run("show", "--json", "bold_ant")[1])
        assert {event["id"] for event in found["events"]} == {"e1", "e2"}
        assert found["events"][0]["payload"]["data"]["runId"] == "bold_ant"

    @pytest.mark.parametrize("is_indexed", [False, True])
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"topic": FAILED.topic.replace("churn-prod", "other")}, "foreign workspace: /subscriptions/"),
            ({"eventType": "Unheard.Of"}, "unknown type: the event type 'Unheard.Of' is none of "),
            ({"eventTime": "yesterday"}, "malformed: eventTime: expected an ISO 8601 date and time"),
        ],
    )
    def test_rejected_event_is_found_by_its_run_with_the_reason(
        self, deployed: Deployed, changes: dict[str, str], reason: str, is_indexed: bool
    ) -> None:
        receive(json.dumps({**FAILED.wire(), "subject": "experiments/x/runs/bold_ant", **changes}), deployed.app)
        if is_indexed:
            sweep(deployed.app)
        for name in ("e1", "bold_ant"):
            code, out = deployed.run("show", name)
            assert (code, f" was rejected: {reason}" in out) == (0, True)
            assert "`mlevents replay --rejected` accepts such events" in out
            [rejected] = json.loads(deployed.run("show", "--json", name)[1])["rejected"]
            assert reason.startswith(rejected["kind"])
            assert reason.partition(": ")[2] in rejected["reason"]

    def test_rejected_event_without_a_readable_record_is_reported(self, deployed: Deployed) -> None:
        """A purge, or another version of the app, may have come in between."""
        deployed.receive(FAILED.model_copy(update={"topic": FAILED.topic.replace("churn-prod", "other")}))
        table, day = deployed.app.inbox.table, f"{deployed.app.now():%Y-%m-%d}"
        [row] = table.read(day, "x|", "x|~")
        table.commit(day, replace(row, values={"schema": 99}))
        assert " was rejected: foreign workspace\n" in deployed.run("show", "e1")[1]

    def test_event_without_actions_says_what_to_ask(self, deployed: Deployed) -> None:
        deployed.rules(rule("deploy", on="ModelRegistered"))
        deployed.receive(FAILED)
        sweep(deployed.app)
        lines = shown(deployed.run("show", "bold_ant")[1])
        key = next(line for line in lines if line.startswith("  key")).split()[-1]
        assert f"no rule acted on it: `mlevents explain {key}` says why" in lines
        assert deployed.run("explain", key)[1].splitlines()[1].startswith("deploy: on: ")

    @pytest.mark.parametrize("acts", [True, False])
    def test_event_that_waits_for_a_rules_file_says_so(self, deployed: Deployed, acts: bool) -> None:
        deployed.rules(rule("mail", on="RunStatusChanged" if acts else "ModelRegistered"))
        (deployed.folder / "rules/bad.yaml").write_text("rules: [{name: x}]")
        deployed.receive(FAILED)
        sweep(deployed.app)
        text = "rules/bad.yaml was invalid when it came; the event is matched once that is valid"
        assert text in deployed.run("show", "bold_ant")[1]
        assert (text in deployed.run("events")[1]) is not acts

    def test_unknown_name_is_reported(self, recorded: Deployed) -> None:
        code, out = recorded.run("show", "nobody")
        assert (code, shown(out)) == (
            1,
            [
                "nothing is recorded under nobody: no event of this id, run, model, endpoint or job has arrived",
                "not delivered yet, or given up: `mlevents replay --dead-letters CONTAINER --dry-run` lists dead "
                "letters",
                "not sent: does the workspace have an event subscription to this app, without a filter? "
                "See docs/event-grid.md",
                "of another form: `mlevents events --text TEXT` searches payloads; a name is whole",
            ],
        )


class TestExplain:
    def test_each_rule_has_a_reason(self, deployed: Deployed) -> None:
        deployed.rules(
            rule("mail", when="[data.runStatus StringIn Failed]"),
            rule("other", when="[data.runStatus StringIn Running]"),
            rule("deploy", on="ModelRegistered"),
        )
        with_rules(deployed, FAILED)
        sweep(deployed.app)
        code, out = deployed.run("explain", "bold_ant")
        assert (code, out.splitlines()) == (
            0,
            [
                "RunStatusChanged  churn-prod  bold_ant  e1",
                "mail: matches  (rules/team.yaml:2)",
                "other: when: data.runStatus StringIn Running is false: data.runStatus is 'Failed'  "
                "(rules/team.yaml:7)",
                "deploy: on: the event is RunStatusChanged, and the rule acts on ModelRegistered  (rules/team.yaml:12)",
                "1 of 3 rules match",
            ],
        )

    def test_rule_with_after_is_explained_by_what_has_ended(self, deployed: Deployed) -> None:
        deployed.rules(
            rule("deploy", "give-up no quota", on="ModelRegistered"),
            rule("tell", after="{ rules: [deploy] }"),
        )
        with_rules(deployed, MODEL)
        sweep(deployed.app)
        code, out = deployed.run("explain", "--json", "--rule", "tell", "m1")
        [found] = json.loads(out)
        assert (code, found["verdicts"][0]["reason"]) == (
            1,
            "deploy fails, and the rule follows it if it succeeds",
        )

    def test_file_and_standard_input_are_explained(
        self, deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A dead letter has further members, and may hold several events."""
        deployed.rules(rule("deploy", on="ModelRegistered"))
        text = json.dumps([{**MODEL.wire(), "deadLetterReason": "TimeToLiveExceeded"}, {"no": "event"}])
        (tmp_path / "letter.json").write_text(text)
        code, out = deployed.run("explain", str(tmp_path / "letter.json"))
        lines = out.splitlines()
        assert (code, lines[:2]) == (
            0,
            ["ModelRegistered  churn-prod  churn  m1", "deploy: matches  (rules/team.yaml:2)"],
        )
        assert lines[3].startswith("the event is rejected: ")
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert deployed.run("explain", "-")[1] == out

    def test_handlers_see_the_settings_of_the_app(self, deployed: Deployed) -> None:
        """A mail's server is one: whether it is throttled could not be said without. They are not kept."""
        mail = {"name": "mail", "on": "RunStatusChanged", "do": "email", "with": "{ to: a@example.com }"}
        deployed.rules(entry(mail))
        deployed.receive(FAILED)
        assert "throttle" not in deployed.run("explain", "bold_ant")[1]
        assert "EMAIL_FROM" not in os.environ

    def test_refused_file_is_named(self, deployed: Deployed, tmp_path: Path) -> None:
        deployed.rules(rule("deploy", on="ModelRegistered"))
        (deployed.folder / "rules/bad.yaml").write_text("rules: [{name: x}]")
        (tmp_path / "event.json").write_text(json.dumps(MODEL.wire()))
        out = deployed.run("explain", str(tmp_path / "event.json"))[1]
        assert out.startswith("rules/bad.yaml is invalid, so its rules match nothing: see `mlevents check`")

    def test_unknown_event_or_rule_is_reported(
        self, deployed: Deployed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        text = "there is no recorded event nobody, and no such file: `mlevents show` says if it was rejected\n"
        assert deployed.run("explain", "nobody") == (1, text)
        (tmp_path / "event.json").write_text("no JSON")
        code, out = deployed.run("explain", str(tmp_path / "event.json"))
        assert (code, out.startswith("the event is rejected: it is not JSON")) == (1, True)
        arguments = ["--rule", "nobody", str(tmp_path / "event.json")]
        assert main(["explain", "--app", str(deployed.folder), *arguments]) == 2
        assert "there is no rule 'nobody' in force" in capsys.readouterr().err
