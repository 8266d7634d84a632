"""App settings in rules files. Messages show neither their values nor secrets."""

from pathlib import Path
from typing import Any

import pytest

from dispatch.rules.reading.app_settings import substitute
from dispatch.rules.rule import Rules
from tests.kit.rule_files import Call, loaded, rule
from tests.kit.world import rules

SECRET = "hunter2-bad"


def errors_of(loaded_rules: Rules) -> list[str]:
    return [str(error).removeprefix("rules/churn.yaml:") for error in loaded_rules.errors]


def with_settings(folder: Path, text: str, settings: dict[str, str] | None = None) -> Rules:
    """A rule with these settings for a handler that has secrets."""
    return loaded(folder, settings or {}, churn=rules(rule(do="HERE:Call", **{"with": text})))


def fields(loaded_rules: Rules) -> Any:
    assert loaded_rules.errors == ()
    found = loaded_rules.get("a")
    assert found
    return found.handler


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("${RULES_A}", "one"),
        ("${RULES_A}/${RULES_B}/${RULES_A}", "one/two: [x]/one"),
        ("$${RULES_A} $$${RULES_A} $5 {RULES_A} $RULES_A", "${RULES_A} $${RULES_A} $5 {RULES_A} $RULES_A"),
        ("${RULES_EMPTY}", ""),
        ("${RULES_ODD}", "${RULES_A} # no comment\nx: y"),
    ],
)
def test_value_of_a_setting_is_inserted_literally(written: str, read: str, tmp_path: Path) -> None:
    """It can neither change the YAML around it nor name other settings."""
    settings = {
        "RULES_A": "one",
        "RULES_B": "two: [x]",
        "RULES_EMPTY": "",
        "RULES_ODD": "${RULES_A} # no comment\nx: y",
    }
    assert fields(with_settings(tmp_path, f'{{ url: "{written}" }}', settings)).url == read


def test_value_of_a_setting_is_a_text(tmp_path: Path) -> None:
    """A field of a handler may parse a number from it; a guard is strict."""
    assert fields(with_settings(tmp_path, '{ times: "${RULES_N}" }', {"RULES_N": "5"})).times == 5
    loaded_rules = loaded(tmp_path, {"RULES_DRY": "true"}, churn=rules(rule(dry_run="${RULES_DRY}")))
    assert errors_of(loaded_rules) == ["5:14: dry_run should be true or false, not the text '${RULES_DRY}'"]


WRONG = {
    "${RULES_NOPE}": "the app setting RULES_NOPE is not set. "
    "Set it in the function app's settings in Azure, or in local.settings.json on your machine.",
    "${RULES_WS_CHURN_DEF}": "the app setting RULES_WS_CHURN_DEF is not set. Did you mean RULES_WS_CHURN_DEV?",
    "${HOME}": "rules may only read settings whose names begin with RULES_, not 'HOME'. "
    "Name the setting RULES_HOME: rules cannot read the app's other settings and their secrets.",
    "${RULES_A-B}": "'RULES_A-B' is not the name of a setting. After RULES_ come letters, digits and underscores.",
    "${": "'${' without the name of a setting. Write ${RULES_NAME}, or $${ for a literal ${.",
    "${{ data.cost }}": "'${{' is neither a template nor a setting. "
    "Write {{ … }} for a template, ${RULES_NAME} for a setting.",
    "${RULES_KV}": "the app setting RULES_KV is a Key Vault reference that was not resolved. "
    "Does the app's identity have the role Key Vault Secrets User? On your machine, write the value itself.",
    "@Microsoft.KeyVault(SecretUri=https://x)": "a Key Vault reference works only as the value of an app "
    "setting. Give a setting RULES_… this value and write ${RULES_…} here.",
}


@pytest.mark.parametrize("written", WRONG)
def test_unavailable_setting_is_the_only_error_about_its_value(written: str, tmp_path: Path) -> None:
    settings = {"HOME": "/root", "RULES_KV": "@Microsoft.KeyVault(VaultName=v;SecretName=s)"}
    assert errors_of(with_settings(tmp_path, f"{{ login: '{written}' }}", settings)) == [f"5:20: {WRONG[written]}"]


def test_workspace_name_in_a_rule_may_come_from_a_setting(tmp_path: Path) -> None:
    text = rules(rule(**{"in": '["${RULES_PLACE}", churn-dev]'}))
    loaded_rules = loaded(tmp_path, {"RULES_PLACE": "churn-prod"}, churn=text)
    assert loaded_rules.errors == ()
    assert loaded_rules.by_name["a"].workspaces == frozenset({"churn-prod", "churn-dev"})
    assert [error.message for error in loaded(tmp_path, churn=text).errors] == [
        "the app setting RULES_PLACE is not set"
    ]


def test_label_in_a_rule_may_come_from_a_setting(tmp_path: Path) -> None:
    text = rules(rule(**{"in": '{ env: "${RULES_ENV}" }'}))
    assert loaded(tmp_path, {"RULES_ENV": "prod"}, churn=text).by_name["a"].workspaces == frozenset({"churn-prod"})
    assert [error.message for error in loaded(tmp_path, churn=text).errors] == ["the app setting RULES_ENV is not set"]


def test_setting_that_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    """Python reads such an environment variable with surrogates, which cannot be encoded."""
    loaded_rules = with_settings(tmp_path, '{ url: "${RULES_X}" }', {"RULES_X": "caf\udce9"})
    assert errors_of(loaded_rules) == [
        "5:18: half of a surrogate pair (U+DCE9), which is not a character. "
        "It comes from an escape such as \\ud83d, or from a setting that is not UTF-8."
    ]


def test_setting_in_a_key_is_an_error(tmp_path: Path) -> None:
    assert errors_of(loaded(tmp_path, churn='"${RULES_A}": 1\n')) == [
        "1:1: '${RULES_A}' cannot be a key. Only values can be read from app settings."
    ]


def test_missing_setting_hides_no_other_error_of_the_file(tmp_path: Path) -> None:
    loaded_rules = with_settings(tmp_path, '{ url: "${RULES_A} ${RULES_B}", zzz: 1 }', {"RULES_A": "x"})
    assert [error.message for error in loaded_rules.errors] == [
        "the app setting RULES_B is not set",
        "unknown key 'zzz' in with",
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"{{ password: {SECRET} }}",
        f"{{ password: [{SECRET}] }}",
        f"{{ password: {{ x: {SECRET} }} }}",
        f"{{ headers: {{ Authorization: {SECRET} }} }}",
        f"{{ headers: [{SECRET}] }}",
        f"{{ login: {{ user: [1], token: [{SECRET}] }} }}",
        f"{{ login: {{ tokn: {SECRET} }} }}",
        f"{{ login: {{ token: {{ {SECRET}: x }} }} }}",
        f"{{ passwort: {SECRET} }}",
        '{ url: "https://x?key=${RULES_SECRET}" }',
        '{ method: "${RULES_SECRET}" }',
        '{ times: "${RULES_SECRET}" }',
        '{ to: { a: "${RULES_SECRET}" } }',
        '{ password: "${RULES_SECRET}" }',
        '"${RULES_SECRET}"',
    ],
)
def test_messages_show_neither_secrets_nor_values_of_settings(text: str, tmp_path: Path) -> None:
    """These validators put their input into their messages."""
    loaded_rules = with_settings(tmp_path, text, {"RULES_SECRET": SECRET})
    assert loaded_rules.errors
    shown = repr(loaded_rules)
    for part in (SECRET, SECRET.upper(), "hunter"):
        assert part not in shown.replace(f"{{ {SECRET}: x }}", "")


@pytest.mark.parametrize("key", ["name", "on", "in", "when", "do", "after", "retry", "dry_run", "with", "zzz"])
def test_messages_about_keys_of_a_rule_show_no_value_of_a_setting(key: str, tmp_path: Path) -> None:
    text = rule(**{key: '"${RULES_SECRET}"'})
    loaded_rules = loaded(tmp_path, {"RULES_SECRET": SECRET.upper() + "!"}, churn=rules(text))
    assert loaded_rules.errors
    assert "hunter" not in repr(loaded_rules.errors).lower()


LONG = "https://prod-00.westeurope.logic.azure.com/workflows/0123456789/PLANTED?code='\"\\" + "x1Y2" * 40 + "END-OF-IT"


@pytest.mark.parametrize(
    "key",
    [
        'name: "${RULES_LONG}"',
        'on: "${RULES_LONG}"',
        'in: "${RULES_LONG}"',
        'in: { env: "${RULES_LONG}" }',
        'after: { rules: "${RULES_LONG}" }',
        'after: { rules: b, outcome: "${RULES_LONG}" }',
        'when: "${RULES_LONG}"',
        'do: email\n    with: { to: "${RULES_LONG}" }',
        'do: email\n    with: { to: "é${RULES_LONG}" }',
        'do: email\n    with: { to: a@example.com, cc: "x ${RULES_LONG} y" }',
        'do: email\n    with: { to: a@example.com, allowed_domains: ["${RULES_LONG}"] }',
        'do: HERE:Call\n    with: { method: "${RULES_LONG}" }',
        'do: HERE:Call\n    with: { url: "bad${RULES_LONG}" }',
    ],
)
@pytest.mark.parametrize("prefix", ["", "a prefix that is long enough to move the value: "])
def test_messages_show_no_part_of_a_long_setting(key: str, prefix: str, tmp_path: Path) -> None:
    """They are shortened: to their beginning, or to their beginning and their end."""
    keys = dict(part.split(": ", 1) for part in key.split("\n    "))
    value = LONG.removeprefix("https://") if prefix else LONG
    text = rule(**{name: each.replace("${", f"{prefix}${{") for name, each in keys.items()})
    errors = str(errors_of(loaded(tmp_path, {"RULES_LONG": value}, churn=rules(text, rule(name="b")))))
    assert "RULES_LONG" in errors
    for part in (value[:8], "PLANT", "x1Y2", "END-OF", "OF-IT"):
        assert part.lower() not in errors.lower()


def test_hints_show_no_value_of_a_setting_in_another_file(tmp_path: Path) -> None:
    """Neither a label of a workspace nor the name of a rule."""
    workspaces = 'workspaces:\n  churn: { id: "${RULES_WS_CHURN_PROD}", env: "x-${RULES_SECRET}" }\n'
    texts = (rule(**{"in": "{ env: dev }"}), rule(name="b", **{"in": "{ env: x-hunter-2 }"}))
    named = rules(rule(name='"${RULES_SECRET}"'))
    follow = rules(rule(name="c", after="{ rules: zzz }"), rule(name="d", after="{ rules: hunter3-bad }"))
    loaded_rules = loaded(tmp_path, {"RULES_SECRET": SECRET}, workspaces=workspaces, a=rules(*texts), n=named, z=follow)
    assert [str(error).partition(": ")[2] for error in loaded_rules.errors] == [
        "no workspace has env: 'dev'. The values of env are x-${RULES_SECRET}.",
        "no workspace has env: 'x-hunter-2'. Did you mean x-${RULES_SECRET}?",
        "there is no rule 'zzz' to follow. The rules are ${RULES_SECRET}, a, b, d.",
        "there is no rule 'hunter3-bad' to follow. Did you mean ${RULES_SECRET}?",
    ]


def test_messages_about_other_keys_of_a_rule_show_its_name_as_it_is_written(tmp_path: Path) -> None:
    name = '"${RULES_SECRET}"'
    text = rules(rule(name=name, after=f"{{ rules: {name} }}"), f"  - {{ name: {name}, do: log }}\n", rule(name="Z"))
    found = loaded(tmp_path, {"RULES_SECRET": SECRET}, churn=text)
    assert "hunter" not in str(errors_of(found))
    assert any("rule ${RULES_SECRET} needs either" in error for error in errors_of(found))


def test_messages_show_values_that_are_not_secret(tmp_path: Path) -> None:
    assert errors_of(with_settings(tmp_path, "{ url: bad-url, password: bad }")) == [
        "5:18: with.url: 'bad-url' will not do",
        "5:37: with.password is not valid; the reason is not shown, because the value is a secret",
    ]


def test_secret_reaches_the_handler_and_is_not_printed(tmp_path: Path) -> None:
    text = '{ password: "${RULES_SECRET}", headers: { Authorization: "Bearer ${RULES_SECRET}" } }'
    loaded_rules = with_settings(tmp_path, text, {"RULES_SECRET": "hunter2"})
    handler = fields(loaded_rules)
    assert isinstance(handler, Call)
    assert handler.password.get_secret_value() == "hunter2"
    assert handler.headers["Authorization"].get_secret_value() == "Bearer hunter2"
    assert "hunter2" not in repr(loaded_rules)


@pytest.mark.parametrize(
    ("name", "other", "is_suggested"),
    [
        ("RULES_WS_CHRUN_DEV", "RULES_WS_CHURN_DEV", True),
        ("RULES_WS_CHURNDEV", "RULES_WS_CHURN_DEV", True),
        ("RULES_ws_churn_dev", "RULES_WS_CHURN_DEV", True),
        ("RULES_FACTORIE_URL", "RULES_FACTORY_URL", True),
        ("RULES_WS_CHURN_PROD", "RULES_WS_CHURN_DEV", False),
        ("RULES_WS_CHURN_TEST", "RULES_WS_CHURN_DEV", False),
        ("RULES_WS_CHURN_EU", "RULES_WS_CHURN_US", False),
        ("RULES_WS_CHURN2", "RULES_WS_CHURN1", False),
        ("RULES_WS_CHURN", "RULES_WS_CHURN_DEV", False),
        ("RULES_WS_FRAUD_DEV", "RULES_WS_CHURN_DEV", False),
        ("RULES_HOOK", "RULES_BOOK_OF_HOOKS", False),
    ],
)
def test_only_a_misspelt_setting_is_suggested(name: str, other: str, is_suggested: bool) -> None:
    """A rule with the id of another workspace would act in the wrong one."""
    [(message, hint)] = substitute(f"${{{name}}}", {other: "x"}).errors
    assert message == f"the app setting {name} is not set"
    where = "Set it in the function app's settings in Azure, or in local.settings.json on your machine."
    assert callable(hint)
    assert hint() == (f"Did you mean {other}?" if is_suggested else where)
