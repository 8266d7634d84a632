"""Every error has a position, a message and a hint. Their wording is part of the interface."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dispatch.rules.rule import Rules
from handlers import builtin
from tests.kit.any_input import one_in
from tests.kit.cost import calls_of
from tests.kit.rule_files import HERE, loaded, rule
from tests.kit.world import SETTINGS, WORKSPACES, rules

EITHER = (
    "'on' lists the events on which it acts, 'expect' the event whose absence it reports, 'after' the rules it follows."
)
NO_TEMPLATE = "is not a template: {{ … }} and {% … %} have no meaning in it"
FIXED = "It is the same for every event: write it out, or use an app setting, ${RULES_…}."
GROUP = "Write a condition, such as data.runStatus StringIn Failed, or a group: { any: [condition, condition] }."
ENTRY = "Write - name: mail-failed-runs, and below it, with the indentation of name, on, do and with."
ID = "az ml workspace show --query id prints it."
ARM = (
    "a workspace's ARM id: /subscriptions/<id>/resourceGroups/<name>"
    "/providers/Microsoft.MachineLearningServices/workspaces/<name>"
)


def errors_of(loaded_rules: Rules, file: str = "rules/churn.yaml") -> list[str]:
    """The errors, which are all in this file, without its name."""
    texts = [str(error) for error in loaded_rules.errors]
    assert all(text.startswith(f"{file}:") for text in texts), texts
    assert file in loaded_rules.refused or not texts
    return [text.removeprefix(f"{file}:") for text in texts]


IN_A_RULE = [
    # on, after
    ("- { name: a, do: log }", "2:5: rule a needs either 'on', 'expect' or 'after'. " + EITHER),
    (
        "- { name: a, on: RunCompleted, after: { rules: b }, do: log }\n  - { name: b, on: RunCompleted, do: log }",
        "2:5: rule a needs either 'on' or 'after', not both. " + EITHER,
    ),
    (rule(on="RunCompletd"), "3:9: unknown event type 'RunCompletd'. Did you mean RunCompleted?"),
    (
        rule(on="[blob, RunCompleted]"),
        "3:10: unknown event type 'blob'. The event types are AlertFired, AlertResolved, BlobCreated, BlobDeleted, "
        "DatasetDriftDetected, DeploymentFailed, DriftDetected, EndpointFailed, Expected, JobMissed, ModelArchived, "
        "ModelDeployed, ModelRegistered, ModelRestored, ModelTagged, RegistryModelRegistered, RunCompleted, "
        "RunStatusChanged.",
    ),
    (
        rule(on="Microsoft.MachineLearningServices.DriftDetected"),
        "3:9: unknown event type 'Microsoft.MachineLearningServices.DriftDetected'. Did you mean DriftDetected?",
    ),
    (rule(on="[]"), "3:9: on is empty"),
    (rule(on="true"), '3:9: an event type should be a text, not true (true or false). Put it in quotes: "true".'),
    (
        rule(after="b"),
        "4:12: after should be a mapping (key: value), not the text 'b'. "
        "Write after: { rules: name-of-a-rule, outcome: failed }.",
    ),
    (rule(after="{}"), "4:12: after has no 'rules'. Write after: { rules: name-of-a-rule, outcome: failed }."),
    (rule(after="{ rules: b }"), "4:21: there is no rule 'b' to follow"),
    (
        rule(after="{ rules: a }"),
        "4:21: these rules follow each other in a circle: a after a. One of them must have 'on' instead.",
    ),
    (
        rule() + rule(name="b", after="{ rules: a, outcome: fail }"),
        "7:33: unknown outcome 'fail'. Did you mean failed?",
    ),
    (rule() + rule(name="b", after="{ rule: a }"), "7:14: unknown key 'rule' in after. Did you mean rules?"),
    # in
    (rule(**{"in": "churn-prd"}), "5:9: there is no workspace 'churn-prd'. Did you mean churn-prod?"),
    (rule(**{"in": "prod"}), "5:9: there is no workspace 'prod'. To choose by label, write in: { env: prod }."),
    (rule(**{"in": "[x]"}), "5:10: there is no workspace 'x'. The workspaces are churn-dev, churn-prod."),
    (rule(**{"in": "{ teem: churn }"}), "5:11: no workspace has a label 'teem'. Did you mean team?"),
    (rule(**{"in": "{ env: test }"}), "5:16: no workspace has env: 'test'. The values of env are dev, prod."),
    (rule(**{"in": "{ env: }"}), "5:11: label env is empty"),
    (rule(**{"in": "{ env: [{}] }"}), "5:17: label env should have one value: a text, a number, true or false"),
    (rule(**{"in": "{}"}), "5:9: in is empty. Leave it out to mean all workspaces."),
    (rule(**{"in": ""}), "5:5: in is empty"),
    # when
    (rule(when="data.runStatus StringsIn x"), "5:11: there is no operator 'StringsIn'. Did you mean StringIn?"),
    (rule(when="{ any: [data.runId IsNotNull it] }"), "5:19: IsNotNull takes no value; 1 given"),
    (rule(when="[{ anny: [a IsNotNull] }]"), "5:12: a group of conditions has one key, 'any' or 'all'. " + GROUP),
    (rule(when="{ any: [a b], all: [c d] }"), "5:11: a group of conditions has one key, 'any' or 'all'. " + GROUP),
    (rule(when="{ any: [] }"), "5:18: any is empty"),
    (rule(when="5"), "5:11: a condition should be a text, not the number 5. " + GROUP),
    (rule(when="[[a IsNotNull]]"), "5:12: a condition should be a text, not a list. " + GROUP),
    # templates where there are none
    (
        rule(at_most='{ count: 1, every: 1h, by: "{{ object }}" }'),
        f"5:41: at_most.by {NO_TEMPLATE}. Write the key without braces: object.",
    ),
    (
        rule(at_most='{ count: 1, every: 1h, by: "{% if x %}a{% endif %}" }'),
        f"5:41: at_most.by {NO_TEMPLATE}. Write the key without braces: data.experimentName.",
    ),
    (rule(name='"{{ object }}"'), f"2:11: name {NO_TEMPLATE}. {FIXED}"),
    (rule(on='"{{ eventType }}"'), f"3:9: on {NO_TEMPLATE}. {FIXED}"),
    (rule(do='"{{ data.modelTags.do }}"'), f"4:9: do {NO_TEMPLATE}. {FIXED}"),
    (rule(**{"in": '["{{ workspace.name }}"]'}), f"5:10: in {NO_TEMPLATE}. {FIXED}"),
    (rule(retry='{ for: "{{ x }}" }'), f"5:19: retry.for {NO_TEMPLATE}. {FIXED}"),
    (rule(dry_run='"{{ x }}"'), f"5:14: dry_run {NO_TEMPLATE}. {FIXED}"),
    (
        rule(when='"data.runTags.a StringIn {{ data.runId }}"'),
        f"5:11: when {NO_TEMPLATE}. "
        "A condition has a key without braces and fixed values: data.runStatus StringIn Failed.",
    ),
    # name
    (
        "- { on: RunCompleted, do: log }",
        "2:5: this rule has no 'name'. The history, mails and 'after' use its name.",
    ),
    (
        rule(name="Mail_Runs"),
        "2:11: 'Mail_Runs' cannot be a rule's name. "
        "Use at most 63 lower-case letters, digits and '-', such as mail-failed-runs.",
    ),
    (rule(name="7"), '2:11: name should be a text, not the number 7. Put it in quotes: "7".'),
    # do
    (
        "- { name: a, on: RunCompleted }",
        f"2:5: rule a has no 'do'. It names a handler: {', '.join(builtin())}, or package.module:Class.",
    ),
    (
        rule(do="emial"),
        f"4:9: there is no handler 'emial'; built in: {', '.join(builtin())}; yours: 'package.module:Class'. "
        "Did you mean email?",
    ),
    (
        rule(do="acme.pager:Pager"),
        "4:9: importing 'acme.pager' failed: ModuleNotFoundError: No module named 'acme'; "
        "a module of yours belongs in the app's folder: acme/pager.py",
    ),
    (rule(do="HERE:Pager"), f"4:9: {HERE} has no handler Pager"),
    (
        rule(do="HERE:Deaf"),
        f"4:9: {HERE}:Deaf does not declare the event types that it accepts. "
        "Write class X(Handler[Event]), or its event types in place of Event.",
    ),
    (
        rule(do="HERE:Mute"),
        f"4:9: {HERE}:Mute does not declare the event types that it accepts. "
        "Write class X(Handler[Event]), or its event types in place of Event.",
    ),
    (
        rule(do="HERE:Sealed"),
        f"4:9: the settings of {HERE}:Sealed cannot be written as JSON: PydanticSerializationError",
    ),
    (rule(do="[log]"), "4:9: do should be a text, not a list. Write do: email, and the settings in with: { to: … }."),
    # what a handler cannot act on
    (
        rule(on="[ModelRegistered, RunCompleted]", do="HERE:Deploy"),
        f"3:27: {HERE}:Deploy cannot act on RunCompleted. It takes ModelRegistered.",
    ),
    (
        rule(on="DriftDetected", do="HERE:Watch"),
        f"3:9: {HERE}:Watch cannot act on DriftDetected, which can be DatasetDriftDetected. "
        "It takes ModelRegistered and RunStatusChanged.",
    ),
    (
        rule() + rule(name="b", after="{ rules: a }") + rule(name="c", after="{ rules: b }", do="HERE:Deploy"),
        f"9:9: {HERE}:Deploy cannot act on RunStatusChanged, on which b (rules/churn.yaml:5) acts. "
        "It takes ModelRegistered.",
    ),
    # with
    (rule(**{"with": "{ levle: info }"}), "5:13: unknown key 'levle' in with. Did you mean level?"),
    (rule(**{"with": "{ zzz: 1 }"}), "5:13: unknown key 'zzz' in with. The keys are level, message."),
    (
        rule(**{"with": "{ level: warn }"}),
        "5:20: with.level should be 'debug', 'info', 'warning' or 'error', not the text 'warn'. Did you mean warning?",
    ),
    (
        rule(**{"with": "{ message: 5 }"}),
        '5:22: with.message should be a text, not the number 5. Put it in quotes: "5".',
    ),
    (rule(**{"with": '{ message: "{{ x }" }'}), "5:22: with.message: bad template, line 1: unexpected '}'"),
    (rule(**{"with": "x"}), "5:11: with should be a mapping (key: value), not the text 'x'"),
    (rule(do="email"), "4:9: with needs 'to'"),
    (rule(do="email", **{"with": "{ subject: hi }"}), "5:5: with needs 'to'"),
    (rule(do="email", **{"with": "{ too: a@example.com }"}), "5:13: unknown key 'too' in with. Did you mean to?"),
    (
        rule(do="HERE:Call", **{"with": "{ to: 5 }"}),
        "5:17: with.to should be a list or a text, not the number 5",
    ),
    (
        rule(do="HERE:Call", **{"with": "{ to: [5] }"}),
        '5:18: with.to[0] should be a text, not the number 5. Put it in quotes: "5".',
    ),
    (
        rule(do="HERE:Call", **{"with": "{ login: { usr: x, token: t } }"}),
        "5:22: unknown key 'usr' in with.login. Did you mean user?",
    ),
    (rule(do="HERE:Call", **{"with": "{ login: { user: x } }"}), "5:20: with.login needs 'token'"),
    (rule(do="HERE:Call", **{"with": "{ times: x }"}), "5:20: with.times should be a whole number, not the text 'x'"),
    (rule(do="HERE:Call", **{"with": "{ url: bad }"}), "5:18: with.url: 'bad' will not do"),
    (rule(do="HERE:Call", **{"with": "{ times: 13 }"}), "5:5: Call cannot check its settings: KeyError"),
    # retry and guards
    (
        rule(retry="{ for: 24 hours }"),
        "5:19: retry.for: '24 hours' is not a duration; write 30s, 10m, 4h, 7d or 1h30m",
    ),
    (rule(retry="{ zzz: 5 }"), "5:14: unknown key 'zzz' in retry. The keys are first_delay, for, max_delay."),
    (rule(retry="{ first_delay: 2h }"), "5:27: retry: first_delay is at least 1s and at most max_delay"),
    (rule(retry="~"), "5:12: retry should be a mapping (key: value), not nothing. Write retry: { for: 2h }."),
    (
        rule(at_most="1/h"),
        "5:14: at_most should be a mapping (key: value), not the text '1/h'. "
        "Write at_most: { count: 1, every: 7d, by: drift.monitor }.",
    ),
    (
        rule(do="{ email: { to: x } }"),
        "4:9: do should be a text, not a mapping. Write do: email, and the settings in with: { to: … }.",
    ),
    (
        rule(do="email", **{"with": "{ to: nonsense }"}),
        "5:17: with.to: 'nonsense' is not one mail address: An email address must have an @-sign",
    ),
    (rule(do="email", **{"with": "{ to: [] }"}), "5:17: with.to is empty"),
    (
        rule(do="email", **{"with": "{ subject: x, to: [a@example.com, '{{ data.runTags.owner }}'] }"}),
        "5:45: with: the recipient '{{ data.runTags.owner }}' depends on the event: list the domains that may get mail "
        "in allowed_domains, like [example.com]",
    ),
    (
        rule(do="deploy", on="ModelRegistered", **{"with": "{ endpoint: '{{ object }}' }"}),
        "5:23: with: the endpoint depends on the event, and anyone who may register a model writes its tags: "
        "list the permitted endpoints in allowed_endpoints, like [churn, churn-*]",
    ),
    (rule(dry_run="yes"), "5:14: dry_run should be true or false, not the text 'yes'"),
    # keys
    (rule(wehn="data.runId IsNotNull"), "5:5: unknown key 'wehn' in a rule. Did you mean when?"),
    (rule(**{"if": "data.runId IsNotNull"}), "5:5: unknown key 'if' in a rule. Did you mean when?"),
    (
        rule(on_failure="b"),
        "5:5: unknown key 'on_failure' in a rule. Make it a separate rule, with after: { rules: …, outcome: failed }.",
    ),
    (
        rule(zzz="1"),
        "5:5: unknown key 'zzz' in a rule. "
        "The keys are name, on, in, when, expect, after, do, with, dry_run, latest_only, at_most, at_least, collect, "
        "retry, still_after, unless, allow_loops, max_depth.",
    ),
    # the list
    ("- log", "2:5: a rule should be a mapping (key: value), not the text 'log'. " + ENTRY),
    ("a: { on: RunCompleted, do: log }", "2:3: rules should be a list, not a mapping. " + ENTRY),
]


@pytest.mark.parametrize(("text", "expected"), IN_A_RULE, ids=[expected for _, expected in IN_A_RULE])
def test_error_in_a_rule_is_reported_once_at_its_position(text: str, expected: str, tmp_path: Path) -> None:
    """Errors that only result from it are not reported."""
    loaded_rules = loaded(tmp_path, churn="rules:\n" + (text if text.startswith("  ") else f"  {text}\n"))
    assert errors_of(loaded_rules) == [expected]
    assert loaded_rules.by_name == {}


IN_WORKSPACES = [
    ("", "1:1: no workspaces are listed. Write workspaces: { churn-dev: { id: /subscriptions/…, env: dev } }."),
    (
        "workspaces:\nalerts: { do: log }\n",
        "1:1: no workspaces are listed. Write workspaces: { churn-dev: { id: /subscriptions/…, env: dev } }.",
    ),
    (
        "workspaces: [x]",
        "1:13: workspaces should be a mapping (key: value), not a list. "
        "Write workspaces: { churn-dev: { id: /subscriptions/…, env: dev } }.",
    ),
    ("workspaces: { a: { env: dev } }", f"1:15: workspace a has no 'id'. {ID}"),
    (
        "- a",
        "1:1: workspaces.yaml should be a mapping (key: value), not a list. "
        "Its keys are workspaces, storage, registries, timezone and alerts.",
    ),
    (
        'workspaces: { a: { id: "${RULES_NONE}" } }',
        "1:24: the app setting RULES_NONE is not set. "
        "Set it in the function app's settings in Azure, or in local.settings.json on your machine.",
    ),
    ("workspaces: { a: { id: 5 } }", '1:24: the id of a should be a text, not the number 5. Put it in quotes: "5".'),
    (
        'workspaces: { a: { id: "${RULES_WS_CHURN_DEV}", env: "${RULES_NONE}" } }',
        "1:54: the app setting RULES_NONE is not set. "
        "Set it in the function app's settings in Azure, or in local.settings.json on your machine.",
    ),
    ("workspaces: { a: { id: x } }", f"1:24: the id of a should be {ARM}. {ID}"),
    ('workspaces: { a: { id: "${RULES_NOT_AN_ID}" } }', f"1:24: the id of a should be {ARM}. {ID}"),
    (
        "workspaces: { a: x }",
        "1:18: workspace a should be a mapping (key: value), not the text 'x'. "
        "Write workspaces: { churn-dev: { id: /subscriptions/…, env: dev } }.",
    ),
    (
        'workspaces:\n  a: { id: "${RULES_WS_CHURN_DEV}" }\n  b: { id: "${RULES_LOUD}" }\n',
        "3:12: a has the same id (line 2). List each workspace once.",
    ),
    (
        'workspaces: { "a b": { id: "${RULES_WS_CHURN_DEV}" } }',
        "1:15: 'a b' cannot be a workspace's name. Use at most 63 letters, digits, '-', '_' and '.'.",
    ),
    (
        'workspaces: { a: { id: "${RULES_WS_CHURN_DEV}", env: [x] } }',
        "1:54: label env should have one value: a text, a number, true or false",
    ),
    (
        WORKSPACES + "timezone: Europa/Berlin\n",
        "5:11: timezone: there is no time zone 'Europa/Berlin'. Did you mean Europe/Berlin?",
    ),
    (WORKSPACES + "timezone:\n", "5:1: timezone should be a text, not nothing"),
    (
        'workspaces: { a: { id: "${RULES_WS_CHURN_DEV}", timezone: berlin } }',
        "1:59: timezone: there is no time zone 'berlin'. Did you mean Europe/Berlin?",
    ),
    (WORKSPACES + "alert: { do: log }\n", "5:1: unknown key 'alert' in workspaces.yaml. Did you mean alerts?"),
    (
        WORKSPACES + "rules: []\n",
        "5:1: unknown key 'rules' in workspaces.yaml. "
        "Rules belong in separate files, such as churn.yaml: an error in one does not affect the workspaces.",
    ),
    (
        WORKSPACES + "alerts: { do: emial }\n",
        f"5:15: there is no handler 'emial'; built in: {', '.join(builtin())}; "
        "yours: 'package.module:Class'. Did you mean email?",
    ),
    (
        WORKSPACES + "alerts: { do: HERE:Deploy }\n",
        f"5:15: {HERE}:Deploy cannot send alerts: it takes only ModelRegistered",
    ),
    (WORKSPACES + "alerts: { do: log, wiht: {} }\n", "5:20: unknown key 'wiht' in alerts. Did you mean with?"),
]


@pytest.mark.parametrize(("text", "expected"), IN_WORKSPACES, ids=[expected for _, expected in IN_WORKSPACES])
def test_error_in_workspaces_yaml_is_reported_once_at_its_position(text: str, expected: str, tmp_path: Path) -> None:
    """References to workspaces in other files are not checked then."""
    settings = {"RULES_NOT_AN_ID": "not an id", "RULES_LOUD": SETTINGS["RULES_WS_CHURN_DEV"].upper()}
    churn = rules(rule(**{"in": "nowhere"}), rule(name="b", **{"in": "{ nothing: here }"}))
    checked = churn if "alert" not in text and "rules: []" not in text else rules(rule())
    loaded_rules = loaded(tmp_path, settings, workspaces=text, churn=checked)
    assert errors_of(loaded_rules, "rules/workspaces.yaml") == [expected]
    assert not loaded_rules.knows_workspaces


def test_rules_file_is_a_mapping_with_one_key(tmp_path: Path) -> None:
    assert errors_of(loaded(tmp_path, churn="workspaces: {}\n")) == [
        "1:1: unknown key 'workspaces' in a rules file. It belongs in workspaces.yaml."
    ]
    assert errors_of(loaded(tmp_path, churn="- name: a\n")) == [
        f"1:1: a rules file should be a mapping (key: value), not a list. Begin it with 'rules:'. {ENTRY}"
    ]


def test_file_without_rules_is_valid(tmp_path: Path) -> None:
    """All of them may be commented out."""
    loaded_rules = loaded(tmp_path, a="", b="# nothing\n", c="rules:\n  # - name: x\n", d="rules: []\n")
    assert loaded_rules.errors == ()


def test_errors_of_all_files_are_reported_in_order_of_position(tmp_path: Path) -> None:
    loaded_rules = loaded(
        tmp_path,
        b=rules(rule(on="blob", when="x", do="emial"), rule(name="B")),
        a=rules(rule(retry="{ for: 1 }", **{"in": "x"}), rule(name="b", dry_run="5")),
        c="rules: [",
    )
    positions = [(error.file, error.line, error.column) for error in loaded_rules.errors]
    assert positions == [
        ("rules/a.yaml", 5, 19),
        ("rules/a.yaml", 6, 9),
        ("rules/a.yaml", 10, 14),
        ("rules/b.yaml", 2, 11),
        ("rules/b.yaml", 3, 9),
        ("rules/b.yaml", 4, 9),
        ("rules/b.yaml", 5, 11),
        ("rules/b.yaml", 6, 11),
        ("rules/c.yaml", 1, 9),
    ]


def test_first_hundred_errors_of_a_file_are_reported_and_the_others_counted(tmp_path: Path) -> None:
    many = f"rules: [{'x,' * 250}]"
    loaded_rules = loaded(tmp_path, a=many, b=rules(rule(zzz="1")))
    in_a = [error for error in loaded_rules.errors if error.file == "rules/a.yaml"]
    assert len(in_a) == 101
    assert in_a[99].message.startswith("a rule should be a mapping")
    assert str(in_a[100]) == "rules/a.yaml:1:207: 150 more errors in this file. Fix the ones above first."
    assert len(loaded_rules.errors) == 102


MANY_ERRORS: dict[str, Callable[[int], str]] = {
    "texts instead of rules": lambda n: f"rules: [{'x,' * 19 * n}]",
    "unknown event types": lambda n: f"rules: [{{name: a, do: log, on: [{'x,' * 19 * n}]}}]",
    "unknown keys": lambda n: (
        f"rules: [{{name: a, do: log, on: RunCompleted, {''.join(f'k{k}: 1,' for k in range(5 * n))}}}]"
    ),
    "numbers in a setting": lambda n: (
        f"rules: [{{name: a, do: email, on: RunCompleted, with: {{to: [{'1,' * 19 * n}]}}}}]"
    ),
    "empty rules": lambda n: f"rules: [{'{},' * 13 * n}]",
    "unset settings": lambda n: "rules: [" + "".join(f'"${{RULES_{k}}}",' for k in range(2 * n)) + "]",
    "one circle": lambda n: (
        "rules: [" + "".join(f"{{name: r{k}, after: {{rules: r{(k - 1) % n}}}, do: log}}," for k in range(n)) + "]"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", one_in(6, MANY_ERRORS))
def test_cost_of_reporting_errors_is_linear(kind: str, tmp_path: Path) -> None:
    """Four times as many errors cost about four times as many calls; comparing each with all others, sixteen times."""
    few, many = (calls_of(lambda n=n: loaded(tmp_path, churn=MANY_ERRORS[kind](n))) for n in (60, 240))  # type: ignore[misc]
    assert many < 6 * few
