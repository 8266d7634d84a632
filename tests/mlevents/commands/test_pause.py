"""`mlevents pause` and `resume`, on the rows of an app in Azurite."""

import json
from datetime import timedelta

import pytest

from dispatch.app import utc_now
from dispatch.replay.who import user
from dispatch.sweep import sweep
from mlevents.__main__ import main
from schemas import RunStatusChanged
from tests.kit.world import rule
from tests.mlevents.commands.deployed import Deployed

EVENT = RunStatusChanged.example(id="e1", run_id="bold_ant", event_time="2026-11-22T08:00:00Z")


def run(deployed: Deployed, *arguments: str) -> tuple[int, list[str]]:
    """The exit code, and the lines after those about settings and storage."""
    code, out = deployed.run(*arguments)
    return code, [line for line in out.splitlines() if not line.startswith(("settings are ", "storage is "))]


class TestPausing:
    def test_actions_wait_until_the_rule_is_resumed(self, deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
        """`status` and `explain` show the pause, and the note of the action, too. Other rules act."""
        deployed.rules(rule("ring"), rule("done"))
        code, [line] = run(deployed, "pause", "ring")
        assert code == 0
        assert line.startswith(f"ring: paused by {user()} since ")
        deployed.receive(EVENT)
        deployed.work()
        assert deployed.ends() == {"done 0": "succeeded", "ring 0": "waiting"}
        assert f"{line}: `mlevents resume ring`" in run(deployed, "status")[1]
        [pause] = json.loads(deployed.run("status", "--json")[1])["paused"]
        assert (pause["rule"], pause["by"], pause["until"]) == ("ring", user(), None)
        paused = line.removeprefix("ring: ")
        sweep(deployed.app)  # indexes the event
        assert f"    pause: {paused}: `mlevents resume ring`" in run(deployed, "explain", "bold_ant")[1]
        [found] = json.loads(deployed.run("explain", "bold_ant", "--rule", "ring", "--json")[1])
        assert found["verdicts"][0]["guards"] == [
            {"guard": "pause", "text": f"{paused}: `mlevents resume ring`", "stops": True}
        ]
        monkeypatch.setattr("dispatch.replay.pausing.MAX_AGE", timedelta())
        assert run(deployed, "resume", "ring") == (0, [f"ring: no longer {paused}", "to run: 1 action"])
        deployed.work()
        assert deployed.ends() == {"done 0": "succeeded", "ring 0": "succeeded"}
        assert run(deployed, "resume", "ring") == (1, ["ring is not paused"])

    def test_pauses_are_printed_as_json(self, deployed: Deployed) -> None:
        deployed.rules(rule("ring"))
        code, out = deployed.run("pause", "ring", "--for", "2h", "--json")
        paused = json.loads(out)
        assert (code, paused["rule"], paused["by"]) == (0, "ring", user())
        deployed.run("pause", "--all")
        code, out = deployed.run("resume", "ring", "--json")
        found = json.loads(out)
        assert (code, found["ended"], found["actionsToRun"]) == (0, [paused], 0)
        assert found["still"]["rule"] is None
        code, out = deployed.run("resume", "ring", "--json")
        assert (code, json.loads(out)["ended"]) == (1, [])

    def test_all_rules_are_paused_and_resumed(self, deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
        """A single rule cannot be resumed meanwhile; --all ends the pauses of single rules, too."""
        deployed.rules(rule("a"), rule("b"))
        assert run(deployed, "resume", "--all") == (1, ["no rule is paused"])
        [line] = run(deployed, "pause", "--all")[1]
        assert line.startswith(f"all rules are paused by {user()} since ")
        run(deployed, "pause", "b")
        deployed.receive(EVENT)
        deployed.work()
        assert set(deployed.ends().values()) == {"waiting"}
        code, lines = run(deployed, "resume", "b")
        assert (code, lines[1]) == (0, f"{line}: `mlevents resume --all`")
        run(deployed, "pause", "b")
        monkeypatch.setattr("dispatch.replay.pausing.MAX_AGE", timedelta())
        assert run(deployed, "resume", "--all")[1][-1] == "to run: 2 actions"
        deployed.work()
        assert set(deployed.ends().values()) == {"succeeded"}

    def test_pause_has_a_length(self, deployed: Deployed) -> None:
        deployed.rules(rule("ring"))
        run(deployed, "pause", "ring", "--for", "2h")
        [pause] = deployed.app.inbox.pauses.all(utc_now())
        assert pause.until is not None
        assert pause.until - pause.at == timedelta(hours=2)

    def test_rule_of_a_refused_file_can_be_paused(self, deployed: Deployed) -> None:
        """Its name is not known then."""
        deployed.rules(rule("ring", when="[nonsense]"))
        assert run(deployed, "pause", "ring")[0] == 0


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["pause"], "name one RULE, or give --all"),
            (["pause", "ring", "--all"], "name one RULE, or give --all"),
            (["resume"], "name one RULE, or give --all"),
            (["pause", "rnig"], "there is no rule 'rnig' in force. Did you mean ring?; see `mlevents check`"),
            (["pause", "zzz"], "there is no rule 'zzz' in force; see `mlevents check`"),
            (["pause", "ring", "--for", "long"], "'long'"),
            (["pause", "ring", "--for", "0s"], "'0s' is no time: write 30m or 2h"),
        ],
    )
    def test_invalid_arguments_are_reported(
        self, deployed: Deployed, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        deployed.rules(rule("ring"))
        assert main([*arguments, "--app", str(deployed.folder)]) == 2
        assert message in capsys.readouterr().err

    def test_user_without_a_name_is_recorded_as_unknown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail() -> str:
            raise KeyError("getpwuid(): uid not found: 1000")

        monkeypatch.setattr("getpass.getuser", fail)
        assert user() == "an unknown user"
