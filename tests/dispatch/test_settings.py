"""App settings, resolved as the Functions host resolves them."""

from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.inbox.storage_account import Storage
from dispatch.settings import APP_FOLDER, Environment, Names, SettingsError, function_timeout

QUEUE, TABLE = "https://acc.queue.core.windows.net", "https://acc.table.core.windows.net"
BLOB = "https://acc.blob.core.windows.net"


def resolved(**settings: str) -> Storage:
    return Storage.of(Environment(settings))


def test_a_connection_string_comes_first() -> None:
    storage = resolved(AzureWebJobsStorage="UseDevelopmentStorage=true", AzureWebJobsStorage__accountName="acc")
    assert storage == Storage(connection_string="UseDevelopmentStorage=true")
    assert storage.table("t").url.startswith("http://127.0.0.1:10002/devstoreaccount1")
    assert storage.queue("q").url.startswith("http://127.0.0.1:10001/devstoreaccount1")


def test_the_name_of_the_account_comes_before_the_urls_of_its_services() -> None:
    """The host takes it first, too: the app must send its messages to the queues that the host reads."""
    storage = resolved(
        AzureWebJobsStorage__accountName="acc", AzureWebJobsStorage__queueServiceUri="https://x.queue.example.com"
    )
    assert (storage.queue_url, storage.table_url) == (QUEUE, TABLE)


@pytest.mark.parametrize("value", [QUEUE, f"{QUEUE}/", "acc.queue.core.windows.net", f" {QUEUE} "])
def test_the_url_of_tables_is_derived_from_that_of_queues(value: str) -> None:
    storage = resolved(AzureWebJobsStorage__queueServiceUri=value)
    assert (storage.queue_url, storage.table_url) == (QUEUE, TABLE)


def test_both_urls_may_be_set() -> None:
    """Private endpoints and sovereign clouds have other host names."""
    storage = resolved(
        AzureWebJobsStorage__queueServiceUri="https://q.example.com",
        AzureWebJobsStorage__tableServiceUri="https://t.example.com",
        AzureWebJobsStorage__credential="managedidentity",
        AzureWebJobsStorage__clientId="c1",
    )
    assert storage == Storage(table_url="https://t.example.com", queue_url="https://q.example.com", client_id="c1")


@pytest.mark.parametrize(
    ("name", "value"), [("AZUREWEBJOBSSTORAGE__ACCOUNTNAME", "acc"), ("AzureWebJobsStorage:accountName", "acc")]
)
def test_names_of_settings_are_normalized_as_in_the_host(name: str, value: str) -> None:
    """Case does not matter, and `__` stands for `:`."""
    assert resolved(**{name: value}).queue_url == QUEUE


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "Set AzureWebJobsStorage to a connection string"),
        ({"AzureWebJobsStorage": " "}, "Set AzureWebJobsStorage to a connection string"),
        (
            {"AzureWebJobsStorage__blobServiceUri": "https://acc.blob.core.windows.net"},
            "AzureWebJobsStorage__queueServiceUri",
        ),
        (
            {"AzureWebJobsStorage__queueServiceUri": "https://q.example.com"},
            "AzureWebJobsStorage__tableServiceUri is not set",
        ),
        ({"AzureWebJobsStorage__queueServiceUri": "ftp://q"}, "write the service's URL"),
        ({"AzureWebJobsStorage__queueServiceUri": "https://"}, "write the service's URL"),
        (
            {"AzureWebJobsStorage__accountName": "a", "AzureWebJobsStorage__credential": "magic"},
            "only 'managedidentity'",
        ),
        (
            {"AzureWebJobsStorage": "@Microsoft.KeyVault(SecretUri=x)"},
            "Key Vault reference that Azure could not resolve",
        ),
    ],
)
def test_the_error_names_a_missing_or_invalid_setting(settings: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says.replace("(", r"\(")):
        resolved(**settings)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"AzureWebJobsStorage": "AccountName=x"}, "does not identify a storage account"),
        ({"AzureWebJobsStorage__queueServiceUri": "http://a.queue.example.com"}, "does not identify a storage account"),
    ],
)
def test_an_error_of_the_sdk_is_raised_as_a_settings_error(settings: dict[str, str], says: str) -> None:
    """A malformed connection string; a credential over plain HTTP."""
    storage = resolved(**settings)
    for client in (storage.table, storage.queue):
        with pytest.raises(SettingsError, match=says):
            client("mlevents")


class TestContainers:
    """Containers of dead letters, in the app's account or elsewhere."""

    @pytest.mark.parametrize(
        "settings",
        [
            {"accountName": "acc"},
            {"queueServiceUri": QUEUE},
            {"queueServiceUri": QUEUE, "tableServiceUri": TABLE, "blobServiceUri": BLOB},
            {"queueServiceUri": "https://q.example.com", "tableServiceUri": TABLE, "blobServiceUri": BLOB},
        ],
    )
    def test_container_url_is_derived_from_the_account_or_the_queues(self, settings: dict[str, str]) -> None:
        storage = resolved(**{f"AzureWebJobsStorage__{name}": value for name, value in settings.items()})
        assert storage.container("deadletter").url == f"{BLOB}/deadletter"

    def test_container_is_found_by_a_connection_string(self) -> None:
        storage = resolved(AzureWebJobsStorage="UseDevelopmentStorage=true")
        assert storage.container("deadletter").url == "http://127.0.0.1:10000/devstoreaccount1/deadletter"

    def test_container_may_be_named_by_url_with_or_without_a_signature(self) -> None:
        """With a signature no token is requested."""
        storage = resolved(AzureWebJobsStorage="UseDevelopmentStorage=true")
        assert storage.container(f"{BLOB}/deadletter").url == f"{BLOB}/deadletter"
        signed = storage.container(f"{BLOB}/deadletter?sv=2025-01-05&sig=abc%3D")
        assert signed.url == f"{BLOB}/deadletter?sv=2025-01-05&sig=abc%3D"
        assert signed.credential is None

    @pytest.mark.parametrize("name", ["", "ab", "Deadletter", "dead--letter", "-dead", "dead_letter", "a" * 64])
    def test_invalid_container_name_is_an_error(self, name: str) -> None:
        with pytest.raises(SettingsError, match="is not a container: write its name, of 3 to 63"):
            resolved(AzureWebJobsStorage__accountName="acc").container(name)

    def test_container_url_cannot_be_derived_from_every_queue_url(self) -> None:
        storage = resolved(
            AzureWebJobsStorage__queueServiceUri="https://q.example.com",
            AzureWebJobsStorage__tableServiceUri="https://t.example.com",
        )
        with pytest.raises(SettingsError, match="blobServiceUri is not set, and cannot be derived from https://q"):
            storage.container("deadletter")

    def test_sdk_errors_about_containers_are_raised_without_the_signature(self) -> None:
        with pytest.raises(
            SettingsError, match="https:// is not the URL of a container, such as https://account"
        ) as raised:
            Storage().container("https://?sig=secret")
        assert "secret" not in str(raised.value)
        with pytest.raises(SettingsError, match="AzureWebJobsStorage does not identify a storage account"):
            resolved(AzureWebJobsStorage="nonsense").container("deadletter")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (Names(table="my-table"), "MLEVENTS_TABLE is 'my-table'"),
        (Names(table="@Microsoft.KeyVault(x)"), "MLEVENTS_TABLE is '@Microsoft"),
        (Names(actions="Actions"), "MLEVENTS_QUEUE is 'Actions'"),
        (Names(events="a--b"), "MLEVENTS_EVENTS_QUEUE is 'a--b'"),
        (Names(events="x" * 57), "MLEVENTS_EVENTS_QUEUE is 'xxx"),
    ],
)
def test_a_name_that_the_service_would_refuse_is_an_error(names: Names, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        names.check()


def test_reading_names_raises_nothing() -> None:
    """Otherwise the host could not index the functions."""
    assert Names.of(Environment({"MLEVENTS_TABLE": "@Microsoft.KeyVault(x)"})).table == "@Microsoft.KeyVault(x)"
    Names("t" * 63, "a" * 56, "b-1").check()


def test_names_have_defaults() -> None:
    assert Names.of(Environment({})) == Names("mlevents", "mlevents-actions", "mlevents-events")
    assert Names.of(Environment({"mlevents_queue": "q"})).actions == "q"


def timeout(tmp_path: Path, host_json: str, **settings: str) -> timedelta:
    (tmp_path / "host.json").write_text(host_json)
    return function_timeout(Environment(settings), tmp_path / "host.json")


@pytest.mark.parametrize(("text", "seconds"), [("00:05:00", 300), ("01:00:00", 3600), ("1.00:00:01", 86_401)])
def test_the_function_timeout_is_read_from_host_json(tmp_path: Path, text: str, seconds: int) -> None:
    assert timeout(tmp_path, f'{{"functionTimeout": "{text}"}}') == timedelta(seconds=seconds)


def test_the_override_in_the_environment_comes_before_host_json(tmp_path: Path) -> None:
    override = {"AzureFunctionsJobHost__functionTimeout": "00:10:00"}
    assert timeout(tmp_path, '{"functionTimeout": "00:05:00"}', **override) == timedelta(minutes=10)


@pytest.mark.parametrize(
    "host_json",
    ["{}", "[]", "{", '{"functionTimeout": "-1"}', '{"functionTimeout": "00:00:00"}', '{"functionTimeout": "5m"}'],
)
def test_a_missing_or_unlimited_timeout_is_an_error(tmp_path: Path, host_json: str) -> None:
    """A lease must be longer than the timeout."""
    with pytest.raises(SettingsError, match="functionTimeout in host"):
        timeout(tmp_path, host_json)


def test_the_error_about_a_missing_timeout_says_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        timeout(tmp_path, "{}")
    assert str(error.value) == 'functionTimeout in host.json is missing; add "functionTimeout": "00:05:00"'


def test_the_host_json_of_the_app_has_a_timeout() -> None:
    assert function_timeout(Environment({}), APP_FOLDER / "host.json") == timedelta(minutes=5)
