"""local.settings.json and host.json, read as Core Tools and the host read them."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mlevents.app_settings import BadFile, LocalSettings, is_disabled, read_object, resolve
from mlevents.local.host.host_json import HostJson, QueueOptions, time_span

ROOT = Path(__file__).resolve().parents[2]


def settings(tmp_path: Path, **document: Any) -> LocalSettings:
    (tmp_path / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, **document}))
    return LocalSettings.load(tmp_path)


def test_values_become_the_environment(tmp_path: Path) -> None:
    """Texts and numbers as they are written, booleans in lower case, null left out with a note."""
    values = {"TEXT": " x ", "NUMBER": 7, "FLOAT": 1.50, "YES": True, "NOTHING": None, "EMPTY": ""}
    environment, _ = settings(tmp_path, Values=values).environment({"PATH": "/bin"})
    assert environment == {
        "PATH": "/bin",
        "TEXT": " x ",
        "NUMBER": "7",
        "FLOAT": "1.5",
        "YES": "true",
        "EMPTY": "",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
    }
    assert any("NOTHING is null" in note for note in LocalSettings.load(tmp_path).notes)


def test_numbers_keep_their_spelling(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text(
        '{"IsEncrypted": false, "Values": {"V": 1.10, "W": 12345678901234567890}}'
    )
    assert LocalSettings.load(tmp_path).values == {"V": "1.10", "W": "12345678901234567890"}


def test_the_environment_wins_over_the_file_and_is_reported(tmp_path: Path) -> None:
    """But not with an empty variable, as in Core Tools."""
    local = settings(tmp_path, Values={"SET": "file", "EMPTY": "file"})
    environment, notes = local.environment({"SET": "mine", "EMPTY": ""})
    assert (environment["SET"], environment["EMPTY"]) == ("mine", "file")
    assert notes == ["SET is as the environment has it, not as local.settings.json"]


def test_the_example_is_named_as_the_source(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json.example").write_text('{"IsEncrypted": false, "Values": {"SET": "file"}}')
    local = LocalSettings.load(tmp_path)
    assert local.notes == ("settings are those of local.settings.json.example: there is no local.settings.json",)
    assert local.environment({"SET": "mine"})[1] == [
        "SET is as the environment has it, not as local.settings.json.example"
    ]


def test_connection_strings_become_settings(tmp_path: Path) -> None:
    local = settings(tmp_path, ConnectionStrings={"A": "a=1", "B": {"ConnectionString": "b=2", "ProviderName": "p"}})
    assert local.values == {"ConnectionStrings:A": "a=1", "ConnectionStrings:B": "b=2"}


def test_the_file_may_set_the_port(tmp_path: Path) -> None:
    assert settings(tmp_path, Host={"LocalHttpPort": 8080}).port == 8080
    assert settings(tmp_path).port is None


def test_comments_a_trailing_comma_and_a_byte_order_mark_are_allowed(tmp_path: Path) -> None:
    values = '{ "URL": "https://x//y", /* and\n why */ "C": "/* no */,}", }'
    text = f'\ufeff{{ // why\n "IsEncrypted": false, "Values": {values} }}'
    (tmp_path / "local.settings.json").write_text(text, encoding="utf-8")
    assert LocalSettings.load(tmp_path).values == {"URL": "https://x//y", "C": "/* no */,}"}


def test_without_the_file_its_example_is_used_and_reported(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json.example").write_text('{"IsEncrypted": false, "Values": {"A": "1"}}')
    local = LocalSettings.load(tmp_path)
    assert local.values == {"A": "1"}
    assert local.notes == ("settings are those of local.settings.json.example: there is no local.settings.json",)


def test_without_both_files_only_the_environment_counts(tmp_path: Path) -> None:
    local = LocalSettings.load(tmp_path)
    assert local.values == {}
    assert "there is no local.settings.json" in local.notes[0]


def test_the_project_s_example_is_valid() -> None:
    """`mlevents start` uses it without further set-up."""
    values = LocalSettings.read(ROOT / "local.settings.json.example").values
    assert values["AzureWebJobsStorage"] == "UseDevelopmentStorage=true"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"IsEncrypted": true, "Values": {"A": "AQAB"}}', "IsEncrypted is not false"),
        ('{"Values": {}}', "IsEncrypted is not false"),
        ("{'IsEncrypted': false}", "line 1, column 2"),
        ('{\n/*\n*/\n"IsEncrypted" false}', "line 4, column 15"),
        ("[]", "must hold a JSON object, not list"),
        ('{"IsEncrypted": false, "Values": []}', "Values must be a JSON object"),
        ('{"IsEncrypted": false, "Values": {"A": {"B": 1}}}', "Values.A must be a text"),
        ('{"IsEncrypted": false, "Host": {"LocalHttpPort": "x"}}', "LocalHttpPort is 'x'"),
        ('{"IsEncrypted": false, "Host": {"LocalHttpPort": 70000}}', "LocalHttpPort is '70000'"),
        ("\udcff", "is not UTF-8"),
    ],
)
def test_an_invalid_file_is_refused_with_the_reason(tmp_path: Path, text: str, problem: str) -> None:
    """Core Tools would go on without the settings."""
    (tmp_path / "local.settings.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(BadFile) as error:
        LocalSettings.load(tmp_path)
    assert problem in str(error.value)
    assert "local.settings.json" in str(error.value)


def test_a_setting_without_a_name_is_left_out(tmp_path: Path) -> None:
    local = settings(tmp_path, Values={"": "x"})
    assert (local.values, "empty name" in local.notes[-1]) == ({}, True)


@pytest.mark.parametrize(
    "name", ["AzureWebJobs.act.Disabled", "AzureWebJobs_act_Disabled", "AzureWebJobs__act__Disabled"]
)
def test_a_function_can_be_disabled(name: str) -> None:
    """With 1 or true in any case, and with dots or their replacements on Linux."""
    assert is_disabled("act", {name: "1"})
    assert is_disabled("act", {name.lower(): "True"})
    assert not is_disabled("act", {name: "false"})
    assert not is_disabled("other", {name: "1"})


def test_a_name_in_percent_signs_is_replaced_by_the_app_setting() -> None:
    assert resolve("%A%-poison", {"A": "work"}) == "work-poison"
    assert resolve("plain", {}) == "plain"
    with pytest.raises(LookupError, match="the app setting B"):
        resolve("%B%", {"A": "work"})


def host_json(tmp_path: Path, document: Any, **environment: str) -> HostJson:
    (tmp_path / "host.json").write_text(json.dumps(document))
    return HostJson.load(tmp_path, environment)


def test_an_empty_host_json_leads_to_the_host_s_defaults(tmp_path: Path) -> None:
    """30 minutes, as outside the Consumption plan; batches of 16; five tries."""
    assert host_json(tmp_path, {}) == HostJson(timedelta(minutes=30), QueueOptions())


def test_the_project_s_host_json_is_read_completely() -> None:
    read = HostJson.load(ROOT, {})
    assert read.function_timeout == timedelta(minutes=5)
    assert read.queues == QueueOptions(8, 4, timedelta(seconds=5), timedelta(minutes=1), 10, base64=False)


def test_the_case_of_names_is_ignored(tmp_path: Path) -> None:
    read = host_json(tmp_path, {"FunctionTimeout": "00:01:00", "Extensions": {"QUEUES": {"BatchSize": 2}}})
    assert (read.function_timeout, read.queues.batch_size) == (timedelta(minutes=1), 2)


def test_an_app_setting_overrides_the_file(tmp_path: Path) -> None:
    document = {"functionTimeout": "00:01:00", "extensions": {"queues": {"batchSize": 2}}}
    overrides = {
        "AzureFunctionsJobHost__functionTimeout": "00:00:02",
        "AzureFunctionsJobHost:extensions:queues:batchSize": "3",
    }
    read = host_json(tmp_path, document, **overrides)
    assert (read.function_timeout, read.queues.batch_size) == (timedelta(seconds=2), 3)


def test_the_threshold_follows_from_the_batch_size(tmp_path: Path) -> None:
    half = QueueOptions().new_batch_threshold
    assert host_json(tmp_path, {"extensions": {"queues": {"batchSize": 8}}}).queues.new_batch_threshold == half // 2


def test_minus_one_is_no_limit(tmp_path: Path) -> None:
    assert host_json(tmp_path, {"functionTimeout": "-1"}).function_timeout is None


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"functionTimeout": "5 minutes"}, "functionTimeout: '5 minutes' is not a time span"),
        ({"extensions": {"queues": {"batchSize": 33}}}, "batchSize is 33; it must be 1 to 32"),
        ({"extensions": {"queues": {"batchSize": "x"}}}, "batchSize is 'x'; it must be a whole number"),
        ({"extensions": {"queues": {"maxDequeueCount": 0}}}, "maxDequeueCount is 0"),
        ({"extensions": {"queues": {"visibilityTimeout": "1h"}}}, "visibilityTimeout: '1h' is not a time span"),
        ({"extensions": {"queues": {"maxPollingInterval": "00:00:00.05"}}}, "maxPollingInterval is less than 100 ms"),
        ({"extensions": {"queues": {"messageEncoding": "utf8"}}}, "messageEncoding is 'utf8'"),
    ],
)
def test_an_invalid_value_is_refused_with_its_name(tmp_path: Path, document: Any, problem: str) -> None:
    with pytest.raises(BadFile) as error:
        host_json(tmp_path, document)
    assert problem in str(error.value)


def test_a_folder_without_host_json_is_not_a_function_app(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"there is no host\.json"):
        HostJson.load(tmp_path, {})


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("00:05:00", timedelta(minutes=5)),
        ("2.03:04:05", timedelta(days=2, hours=3, minutes=4, seconds=5)),
        ("01:30", timedelta(hours=1, minutes=30)),
        ("00:00:00.2500000", timedelta(milliseconds=250)),
        ("3", timedelta(days=3)),
    ],
)
def test_a_time_span_of_dotnet_is_read(text: str, span: timedelta) -> None:
    assert time_span(text) == span


@pytest.mark.parametrize("text", ["", "24:00:00", "00:60:00", "-00:01:00", "5m", "1:2:3:4", "00:00:00.", "٥"])
def test_an_invalid_time_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time span"):
        time_span(text)


def test_a_missing_file_raises_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_object(tmp_path / "nothing.json")
