"""What tests of rules can expect, and how a failure explains itself."""

import json
from pathlib import Path

import pytest

from tests.kit.started import ROOT
from tests.kit.world import SETTINGS
from tests.mlevents.commands.rule_tests.project import RULES, Project

PASSING = [
    "fires: [mail, log-all]",
    "fires: { mail: , log-all: }",
    "includes: mail",
    "includes: { mail: { subject: churn-training failed, to: ml-team@example.com } }",
    "includes: { mail: { to: [ml-team@example.com], subject: '*failed', text: '*brave_kiwi*' } }",
    "includes: { mail: { plan: \"mail to ml-team@example.com: 'churn-training failed'\" } }",
    "not: log-mail",
    "not: [log-mail]",
    "not: { log-mail: }",
    "not: { log-mail: after }",
    "not: { log-mail: follows it if it fails }",
    "ends: { mail: failed }\nfires: [mail, log-all, log-mail]",
    'ends: { mail: failed }\nincludes: { log-mail: { message: "mail:  <server>" } }',
    "ends: { mail: { status: failed, summary: no, details: { server: s } } }\n"
    'includes: { log-mail: { message: "mail: no s" } }',
    "workspace: churn-dev\nfires: [log-all]\nnot: { mail: in }",
]


@pytest.mark.parametrize("expected", PASSING)
def test_expectations_that_hold_pass(project: Project, expected: str) -> None:
    project.case(expected)
    assert project.run() == (0, "1 test: 1 passed\n")


FAILING = [
    (
        "fires: [mail]",
        ["fires", "expected  mail", "found     mail, log-all", "log-all: matches  (rules/churn.yaml:15)"],
    ),
    (
        "fires: []",
        [
            "fires",
            "expected  no rule",
            "found     mail, log-all",
            "mail: matches  (rules/churn.yaml:2)",
            "log-all: matches  (rules/churn.yaml:15)",
        ],
    ),
    (
        "workspace: churn-dev\nincludes: mail",
        [
            "includes",
            "expected  mail",
            "found     log-all",
            "mail: in: the event is from churn-dev, and the rule is for churn-prod  (rules/churn.yaml:2)",
        ],
    ),
    (
        "not: mail",
        ["not: mail", "expected  it does not fire", "found     it fires", "mail: matches  (rules/churn.yaml:2)"],
    ),
    (
        "not: { log-mail: when }",
        [
            "not: log-mail",
            "expected  it does not fire: when",
            "found     it does not fire: after: mail succeeds, and the rule follows it if it fails",
        ],
    ),
    (
        "includes: { mail: { subject: churn failed } }",
        ["mail: subject", "expected  churn failed", "found     churn-training failed"],
    ),
    (
        "includes: { mail: { to: [a@example.com] } }",
        ["mail: to", "expected  a@example.com", "found     ml-team@example.com"],
    ),
    ("includes: { mail: { cc: [a@example.com] } }", ["mail: cc", "expected  a@example.com", "found     nothing"]),
    ("includes: { mail: { subjct: x } }", ["mail: email sends no 'subjct'. Did you mean subject?"]),
]


@pytest.mark.parametrize(("expected", "lines"), FAILING)
def test_failure_shows_what_was_expected_and_found_and_why(project: Project, expected: str, lines: list[str]) -> None:
    project.case(expected)
    code, out = project.run()
    head, *rest, last = out.splitlines()
    assert code == 1
    assert head.startswith("rules/tests/churn.yaml:")
    assert head.endswith(": a test")
    assert [line.strip() for line in rest] == lines
    assert last == "1 test: 1 failed"


def test_position_of_a_failure_is_that_of_the_expected_value(project: Project) -> None:
    project.tests(
        "tests:\n- name: a\n  event: run_status_changed\n  includes:\n    mail:\n      subject: x\n"
        "- name: b\n  event: run_status_changed\n  not:\n  - log-mail\n  - mail\n"
    )
    assert [line.partition(": ")[0] for line in project.run()[1].splitlines() if ".yaml:" in line[:30]] == [
        "rules/tests/churn.yaml:6:7",
        "rules/tests/churn.yaml:11:5",
    ]


def test_template_that_fails_on_the_event_fails_the_test(project: Project) -> None:
    """Whatever the test expects; the app would give the action up."""
    project.rules(RULES.replace("| default('team@example.com')", ""))
    project.case("fires: [mail, log-all]", {"data.runTags": {}})
    code, out = project.run()
    assert code == 1
    assert "    mail cannot act on the event\n" in out
    assert "owner" in out
    project.case("not: log-mail", {"data.runTags": {}})
    assert project.run()[0] == 1
    project.case("includes: { mail: { plan: x, subject: y } }", {"data.runTags": {}})
    assert project.run()[1].count("cannot act") == 1


def test_handler_that_would_give_up_fails_the_test(project: Project) -> None:
    settings = "{ endpoint: '{{ data.modelName }} x', allowed_endpoints: ['*'] }"
    rule = f"rules:\n  - {{ name: a, on: ModelRegistered, do: deploy, with: {settings} }}\n"
    project.rules(rule)
    project.tests("tests:\n  - { name: t, event: model_registered, fires: a }\n")
    code, out = project.run()
    assert code == 1
    assert "a cannot act on the event" in out


def test_rule_in_dry_run_ends_as_skipped(project: Project) -> None:
    project.rules(
        RULES.replace("    do: email", "    dry_run: true\n    do: email").replace(
            "outcome: failed", "outcome: skipped"
        )
    )
    project.case("fires: [mail, log-all, log-mail]")
    assert project.run()[0] == 0


CHANGES = [
    ({"data.runStatus": "Completed"}, "not: { mail: data.runStatus is 'Completed' }"),
    ({"DATA.RUNTAGS.OWNER": "bob@example.com"}, "includes: { mail: { to: bob@example.com } }"),
    ({"data.runTags.owner": None}, "not: []\nincludes: mail"),
    ({"data.runTags": {"owner": "bob@example.com"}}, "includes: { mail: { to: bob@example.com } }"),
]


@pytest.mark.parametrize(("changes", "expected"), CHANGES)
def test_changes_set_values_of_the_event(project: Project, changes: dict[str, object], expected: str) -> None:
    project.case(expected.replace("not: []\n", ""), changes)
    code, out = project.run()
    assert code == 0, out


def test_event_is_a_file_beside_the_test(project: Project) -> None:
    (project.folder / "rules/tests/events").mkdir()
    sample = (ROOT / "samples/model_registered.json").read_text()
    (project.folder / "rules/tests/events/model.json").write_text(sample)
    project.tests("tests: [{ name: t, event: events/model.json, fires: log-all }]\n")
    assert project.run()[0] == 0


def test_event_in_the_schema_of_cloud_events_is_moved_to_the_workspace(project: Project) -> None:
    [event] = json.loads((ROOT / "samples/model_registered.json").read_text())
    cloud = {
        "specversion": "1.0",
        "id": event["id"],
        "source": SETTINGS["RULES_WS_CHURN_PROD"],
        "type": event["eventType"],
        "subject": event["subject"],
        "time": event["eventTime"],
        "data": event["data"],
    }
    project.rules(RULES.replace("  - name: log-all\n", "  - name: log-all\n    in: churn-dev\n"))
    (project.folder / "rules/tests/cloud.json").write_text(json.dumps(cloud))
    project.tests("tests: [{ name: t, event: cloud.json, workspace: churn-dev, fires: log-all }]\n")
    assert project.run()[0] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[5]", "holds no event: it is not a JSON object"),
        (b"\xff", "holds no event: 'utf-8' codec"),
        (b"{", "holds no event: it is not JSON"),
    ],
)
def test_file_without_an_event_is_an_error(project: Project, content: bytes, message: str) -> None:
    (project.folder / "rules/tests/event.json").write_bytes(content)
    project.tests("tests: [{ name: t, event: event.json, fires: [] }]\n")
    code, out = project.run()
    assert (code, message in out) == (1, True), out


CANNOT_RUN = [
    ("event: nothing\nfires: []", "4:5: ", "there is no file nothing, and no such sample"),
    (
        "event: run_completed\nworkspace: churn-prd\nfires: []",
        "5:5: ",
        "there is no workspace 'churn-prd'. Did you mean churn-prod?",
    ),
    ("event: run_completed\nchanges: { id.x: 1 }\nfires: []", "5:5: ", "'id.x': id is no object of the event"),
    ("event: run_completed\nchanges: { data: 1 }\nfires: []", "5:5: ", "the app would reject the event: "),
    ("event: run_completed\nfires: [mial]", "5:13: ", "there is no rule 'mial'. Did you mean mail?"),
    ("event: run_completed\nends: { mial: failed }\nfires: []", "5:13: ", "there is no rule 'mial'."),
]


@pytest.mark.parametrize(("text", "at", "message"), CANNOT_RUN)
def test_test_that_cannot_run_is_an_error_at_its_position(project: Project, text: str, at: str, message: str) -> None:
    project.tests("# tests\ntests:\n  - name: a\n" + "".join(f"    {line}\n" for line in text.splitlines()))
    code, out = project.run()
    assert (code, out.splitlines()[-1]) == (1, "1 test: 1 error")
    assert out.startswith(f"rules/tests/churn.yaml:{at}a\n    {message}")


def test_unlisted_workspace_is_the_reason_of_each_rule(project: Project) -> None:
    topic = SETTINGS["RULES_WS_CHURN_PROD"].replace("churn-prod", "other")
    project.case("fires: [log-all]", {"topic": topic})
    assert f"log-all: workspace: workspaces.yaml does not list {topic}" in project.run()[1]


SETTING = RULES.replace("[example.com]", '["${RULES_DOMAIN}"]')


def test_settings_are_those_of_the_test_its_file_and_the_example(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Never those of the environment or of local.settings.json, which differ from machine to machine."""
    project.rules(SETTING)
    case = "  - {{ name: t, event: run_status_changed, {}includes: {{ mail: {{ to: {} }} }} }}\n"
    project.tests("tests:\n" + case.format("", "ml-team@example.com"))
    monkeypatch.setenv("RULES_DOMAIN", "example.com")
    values = {"RULES_DOMAIN": "example.com"}
    (tmp_path / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    code, out = project.run()
    assert code == 1
    assert (
        "rules/churn.yaml:9:25: the app setting RULES_DOMAIN is not set. "
        "Give it a value in settings of the test, or in local.settings.json.example.\n"
    ) in out
    project.tests("settings: { RULES_DOMAIN: example.com }\ntests:\n" + case.format("", "ml-team@example.com"))
    assert project.run()[0] == 0
    own = case.format("settings: { RULES_DOMAIN: example.org }, ", '"${RULES_TO}"')
    text = "settings: { RULES_DOMAIN: example.com, RULES_TO: ml-team@example.com }\ntests:\n"
    project.tests(text + case.format("", '"${RULES_TO}"') + own)
    assert project.run()[1].splitlines()[-1] == "2 tests: 1 passed, 1 failed"
    project.settings({**SETTINGS, "RULES_DOMAIN": "example.com"})
    project.tests("tests:\n" + case.format("", "ml-team@example.com"))
    assert project.run()[0] == 0


def test_rule_with_expect_fires_on_the_sample_with_its_name(project: Project) -> None:
    """A rule that waits, or that an event on record keeps from acting, fires in a test."""
    more = "    still_after: 1h\n    unless: { event: RunCompleted, same: data.experimentName }\n"
    waits = f"  - name: waits\n    on: RunStatusChanged\n{more}    do: log\n"
    expects = '  - name: nightly\n    expect: { event: RunCompleted, by: "06:30" }\n    do: log\n'
    project.rules(f"rules:\n{waits}{expects}")
    named = "    event: expected\n    changes: { data.rule: nightly }\n    fires: nightly\n"
    other = "    event: expected\n    changes: { data.rule: other }\n    not: { nightly: expect }\n"
    event = "    event: run_status_changed\n    fires: waits\n"
    project.tests("tests:\n" + "".join(f"  - name: t{n}\n{text}" for n, text in enumerate((named, other, event))))
    assert project.run() == (0, "3 tests: 3 passed\n")
