"""`mlevents doctor` without options: each planted error is found, with where it is and what to do."""

import json
import socket
from datetime import date

import pytest

from mlevents.doctor import host, names, published, rules, runtime, settings
from mlevents.doctor.names import host_ids
from tests.mlevents.doctor.project import Project, bad

TODAY = date(2026, 12, 1)


def test_app_without_errors_is_well(project: Project) -> None:
    code, out = project.run()
    assert (code, out.splitlines()[-1].endswith(" ok")) == (0, True), out
    assert out.splitlines()[-1].startswith("0 errors, 0 warnings, "), out


def test_nothing_is_requested(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without options."""

    def refuse(*_: object) -> None:
        pytest.fail("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    project.settings(AzureWebJobsStorage="", AzureWebJobsStorage__accountName="mystorage")
    assert project.run()[0] == 0


def test_output_fits_80_columns_and_says_what_to_do(project: Project) -> None:
    project.settings(MLEVENTS_RETENTON="9d")
    code, out = project.run()
    assert code == 0
    assert [line.strip() for line in out.splitlines() if "RETENTON" in line or "RETENTION" in line] == [
        "warning  settings: the app reads no setting MLEVENTS_RETENTON",
        "to do: Did you mean MLEVENTS_RETENTION?",
    ]
    assert out.splitlines()[-1].startswith("0 errors, 1 warning, ")


def test_json_has_each_diagnosis(project: Project) -> None:
    project.host(functionTimeout=None)
    code, out = project.run("--json")
    found = json.loads(out)
    errors = [each for each in found["diagnoses"] if each["severity"] == "error"]
    assert (code, found["summary"]["error"]) == (1, len(errors))
    assert {*errors[0]} == {"group", "severity", "what", "where", "toDo"}
    assert ("host.json", 'write "functionTimeout": "00:05:00"') in {(each["group"], each["toDo"]) for each in errors}


def test_account_without_storage_is_an_invalid_argument(project: Project) -> None:
    code, out = project.run("mystorage")
    assert (code, "write --storage mystorage" in out) == (2, True)


# --- Python and packages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "day", "found"),
    [
        ((3, 12), TODAY, []),
        ((3, 14), TODAY, ["error app: Python 3.14 is not supported"]),
        ((3, 11), date(2027, 9, 1), ["warning app: support of Python 3.11 in Azure Functions ends on 2027-10-31"]),
        ((3, 11), date(2028, 9, 1), ["warning app: support of Python 3.11 in Azure Functions ended on 2027-10-31"]),
    ],
)
def test_python_is_compared_with_what_azure_supports(version: tuple[int, int], day: date, found: list[str]) -> None:
    assert bad([runtime.of_python(version, day, "app")]) == found


def lock_findings(project: Project) -> list[str]:
    return [each for each in bad(list(runtime.check(project.subject, TODAY, (3, 12)))) if "on this machine" not in each]


@pytest.mark.parametrize(
    ("lock", "found"),
    [
        ("azure-functions==1.24.0", "azure-functions 1.24.0 does not know CloudEvents"),
        ("azure-functions==2.0.0", "azure-functions 2.0.0 does not know CloudEvents"),
        ("jinja2==3.1.6", "azure-functions is not pinned"),
        ("azure-functions==1.26.0\nazure-functions-worker==1.0", "azure-functions-worker is deployed"),
        ("azure-functions==1.26.0\npydantic==2.1", "pydantic<3,>=2.12 is required, and requirements.txt has 2.1"),
        ("azure-functions==1.26.0", "is required, and requirements.txt lacks it"),
    ],
)
def test_lock_file_is_compared_with_requirements(lock: str, found: str, project: Project) -> None:
    project.write("requirements.txt", lock + "\n")
    assert any(found in each for each in lock_findings(project)), lock_findings(project)


def test_lock_of_the_project_is_as_required(project: Project) -> None:
    assert lock_findings(project) == []
    assert list(runtime.pins('a==1 ; python_version >= "3.13"\nb==2 ; bad\nc==x', (3, 12))) == []


def test_files_that_are_missing_or_invalid_are_found(project: Project) -> None:
    (project.folder / "requirements.in").write_text("a b c\n-r other\n")
    assert lock_findings(project) == ["error requirements.in:1: a b c is not a requirement"]
    (project.folder / "requirements.in").unlink()
    assert "there is no requirements.in" in lock_findings(project)[0]
    (project.folder / "requirements.txt").unlink()
    assert "requirements.txt cannot be read" in lock_findings(project)[0]


def test_packages_of_this_machine_are_compared(project: Project) -> None:
    project.write("requirements.txt", "azure-functions==1.25.0\njinja2==0.1\nmarkupsafe==0.1\npydantic==0.1\nnone==1\n")
    [found] = [each for each in bad(list(runtime.check(project.subject, TODAY))) if "on this machine" in each]
    assert "; " in found
    assert "and 1 more" in found


# --- host.json --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"messageEncoding": "base64"}, "extensions.queues.messageEncoding"),
        ({"messageEncoding": None}, "extensions.queues.messageEncoding"),
        ({"visibilityTimeout": None}, "extensions.queues.visibilityTimeout"),
        ({"maxDequeueCount": 2}, "extensions.queues.maxDequeueCount"),
        ({"maxPollingInterval": None}, "extensions.queues.maxPollingInterval"),
        ({"batchSize": 32}, "actions may run at once, and a worker has 32 threads"),
        ({"functionTimeout": "-1"}, "functionTimeout in host.json is '-1'"),
        ({"functionTimeout": "02:00:00"}, "functionTimeout is 2h"),
        ({"functionTimeout": None}, "functionTimeout in host.json is missing"),
        ({"retry": {"strategy": "fixedDelay"}}, "the host's retry policy"),
        ({"version": "1.0"}, "version is '1.0'"),
        ({"extensionBundle": None}, "there is no extension bundle"),
        (
            {"extensionBundle": {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.35.0, 4.36.0)"}},
            "range",
        ),
        ({"telemetryMode": "OpenTelemetry"}, "telemetryMode"),
        ({"logging": {}}, "Application Insights samples the log"),
        ({"batchSize": "x"}, "must be a whole number"),
    ],
    ids=str,
)
def test_harmful_values_of_host_json_are_found(changes: dict[str, object], found: str, project: Project) -> None:
    assert bad(list(host.check(project.subject))) == []
    project.host(**changes)
    texts = bad(list(host.check(project.subject)))
    assert any(found in each for each in texts), texts
    assert all(each.to_do for each in host.check(project.subject) if each.what.startswith("extensions"))


def test_setting_that_overrides_host_json_counts(project: Project) -> None:
    project.settings(AzureFunctionsJobHost__extensions__queues__messageEncoding="base64")
    assert "messageEncoding" in bad(list(host.check(project.subject)))[0]


def test_retry_policies_and_missing_files_are_found(project: Project) -> None:
    text = (project.folder / "function_app.py").read_text()
    project.write("function_app.py", text + '\n@app.retry(strategy="fixed_delay")\ndef more() -> None: ...\n')
    assert "a retry policy repeats calls" in bad(list(host.check(project.subject)))[0]
    project.write("function_app.py", "def")
    assert "function_app.py cannot be read" in bad(list(host.check(project.subject)))[0]
    (project.folder / "host.json").unlink()
    assert "there is no host.json" in bad(list(host.check(project.subject)))[0]
    project.write("host.json", "{")
    code, out = project.run()
    assert (code, "error    host.json: " in out) == (1, True)


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"MLEVENTS_RETENTON": "9d"}, "the app reads no setting MLEVENTS_RETENTON"),
        ({"MLEVENTS_FLAVOUR": "x"}, "the app reads no setting MLEVENTS_FLAVOUR"),
        ({"RULES_X": "@Microsoft.KeyVault(SecretUri=https://v/x)"}, "RULES_X is a Key Vault reference"),
        ({"AzureWebJobsStorage": "AccountName=a;AccountKey=c2VjcmV0"}, "AzureWebJobsStorage holds a secret"),
        ({"EMAIL_ACS_KEY": "c2VjcmV0"}, "EMAIL_ACS_KEY holds a secret"),
        ({"AzureWebJobsStorage__accountName": "x"}, "AzureWebJobsStorage and AzureWebJobsStorage__accountName"),
        ({"AzureWebJobsStorage__clientId": "1"}, "AZURE_CLIENT_ID does not"),
        ({"AzureWebJobsStorage__clientId": "1", "AZURE_CLIENT_ID": "2"}, "name different identities"),
        ({"AzureWebJobs.act.Disabled": "1"}, "the function act is disabled"),
        ({"AzureWebJobs.azureml_event.Disabled": "true"}, "the function azureml_event is disabled"),
        ({"PYTHON_THREADPOOL_THREAD_COUNT": ""}, "PYTHON_THREADPOOL_THREAD_COUNT is not set"),
        ({"PYTHON_THREADPOOL_THREAD_COUNT": "4"}, "PYTHON_THREADPOOL_THREAD_COUNT is 4"),
        ({"MLEVENTS_WEB": "everybody"}, "MLEVENTS_WEB is 'everybody'"),
        ({"MLEVENTS_WEB": "key", "MLEVENTS_WEB_OPERATORS": "x"}, "counts only if MLEVENTS_WEB is entra"),
    ],
    ids=str,
)
def test_harmful_settings_are_found(values: dict[str, str], found: str, project: Project) -> None:
    assert bad(list(settings.check(project.subject))) == []
    project.settings(**values)
    texts = bad(list(settings.check(project.subject)))
    assert any(found in each for each in texts), texts
    assert "c2VjcmV0" not in project.run()[1]


def test_functions_are_those_of_the_code(project: Project) -> None:
    assert {"azureml_event", "act", "sweep", "web"} <= {*settings.functions_of(project.folder)}
    project.write("function_app.py", "def")
    assert settings.functions_of(project.folder) == []


def test_urls_of_an_account_must_be_whole(project: Project) -> None:
    urls = {"AzureWebJobsStorage": "", "AzureWebJobsStorage__queueServiceUri": "https://a.queue.core.windows.net"}
    project.settings(**urls)
    assert "__blobServiceUri is not set" in bad(list(settings.check(project.subject)))[0]
    project.settings(**urls, AzureWebJobsStorage__accountName="a", AzureWebJobsStorage__blobServiceUri="https://a.blob")
    assert "the host takes the name" in bad(list(settings.check(project.subject)))[0]


def test_settings_that_the_app_refuses_are_errors(project: Project) -> None:
    project.settings(MLEVENTS_RETENTION="1d")
    code, out = project.run()
    assert (code, "error    settings: MLEVENTS_RETENTION is 1d" in out) == (1, True)
    project.write("local.settings.json", "{")
    code, out = project.run()
    assert (code, "error    settings: " in out) == (1, True)


# --- rules and handlers -----------------------------------------------------------------------------------------------


def test_errors_in_rules_are_found(project: Project) -> None:
    project.write("rules/team.yaml", RULE_WITH_TYPO)
    [found] = bad(list(rules.check(project.subject)))
    assert found.startswith("error rules/team.yaml:2: there is no handler 'lgo'")


RULE_WITH_TYPO = "rules:\n  - { name: a, on: RunCompleted, do: lgo }\n"


def test_templates_that_fail_are_found(project: Project) -> None:
    text = 'rules:\n  - { name: a, on: RunCompleted, do: log, with: { message: "{{ data.runTags.x }}" } }\n'
    project.write("rules/team.yaml", text)
    [found] = bad(list(rules.check(project.subject)))
    assert "the event has no 'x' here" in found


def test_examples_of_the_project_are_no_rules_of_the_user(project: Project) -> None:
    from tests.kit.started import ROOT

    (project.folder / "rules/team.yaml").unlink()
    for name in ("workspaces.yaml", "churn.yaml"):
        project.write(f"rules/{name}", (ROOT / "rules" / name).read_text())
    assert "warning rules: the rules are the project's examples" in bad(list(rules.check(project.subject)))


HANDLER = """
from handlers.base import Action, Handler, Outcome, Succeeded
from schemas import Event


class Chat(Handler[Event]):
    def run(self, event: Event, action: Action) -> Outcome:
        import slack_sdk
        import requests
        from acme_of_doctor import chat

        return Succeeded("done")
"""


def test_packages_of_own_handlers_must_be_deployed(project: Project) -> None:
    project.write("acme_of_doctor/chat.py", HANDLER)
    project.write("rules/team.yaml", "rules:\n  - { name: a, on: RunCompleted, do: 'acme_of_doctor.chat:Chat' }\n")
    [found] = bad(list(rules.check(project.subject)))
    assert found == (
        "error acme_of_doctor/chat.py:8: slack_sdk is imported, and requirements.txt does not install it: "
        "the rule fails in Azure"
    )
    (project.folder / "requirements.txt").unlink()
    assert bad(list(rules.check(project.subject))) == []


def test_package_called_like_an_installed_one_is_found(project: Project) -> None:
    project.write("jinja2/__init__.py", "")
    project.write("rules/team.yaml", "rules:\n  - { name: a, on: RunCompleted, do: 'jinja2.chat:Chat' }\n")
    subject = project.subject
    assert subject.rules is not None
    assert "the package jinja2 is called like one of" in "".join(
        bad(list(rules._packages(project.folder, "jinja2.chat")))
    )


# --- what is published, and names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["certs/own.pem", ".env.txt/id_rsa", "web/secrets.json", "handlers/local.settings.json"]
)
def test_secrets_that_would_be_published_are_errors(path: str, project: Project) -> None:
    if path.startswith("."):
        path = path[1:]
    project.write(path, "x")
    assert bad(list(published.check(project.subject))) == [f"error {path}: 1 of the published files may hold secrets"]


def test_local_settings_and_tests_of_rules_are_not_published(project: Project) -> None:
    project.write("rules/tests/a.yaml", "[]")
    assert bad(list(published.check(project.subject))) == []
    project.write(".funcignore", "/.*\n")
    found = bad(list(published.check(project.subject)))
    assert "error local.settings.json: 1 of the published files may hold secrets" in found
    assert "warning rules/tests/a.yaml: 1 tests of rules are published, which the app does not read" in found


def test_large_and_needless_files_are_found(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "_SINGLE", 100_000)
    monkeypatch.setattr(published, "_TOTAL", 250_000)
    for name in ("a", "b", "c", "d"):
        project.write(f"rules/{name}.csv", "x" * 110_000)
    (project.folder / ".funcignore").unlink()
    project.write("node_modules/x.js", "x")
    found = " ".join(bad(list(published.check(project.subject))))
    assert "a file of 0.1 MiB makes each cold start slower" in found
    assert "each new instance downloads them" in found
    assert "1 files of node_modules are published" in found
    assert "there is no .funcignore" in found


def test_files_that_the_app_needs_are_published(project: Project) -> None:
    project.settings(MLEVENTS_RULES="/elsewhere")
    (project.folder / ".funcignore").write_text("/web\n")
    found = bad(list(published.check(project.subject)))
    assert "error .funcignore: web is not published: the app cannot run without it" in found
    assert "error .funcignore: /elsewhere is not published: the app cannot run without it" in found


def test_names_that_collide_are_found(project: Project) -> None:
    project.settings(MLEVENTS_QUEUE="work", MLEVENTS_EVENTS_QUEUE="work-poison")
    assert "collide, with the suffix -poison" in bad(list(names.check(project.subject)))[0]
    project.settings(MLEVENTS_TABLE="my_table")
    assert "MLEVENTS_TABLE is 'my_table'" in bad(list(names.check(project.subject)))[0]
    project.settings()
    (project.folder / "rules/workspaces.yaml").write_text(
        "workspaces:\n"
        "  a: { id: '/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/r1"
        "/providers/Microsoft.MachineLearningServices/workspaces/w' }\n"
        "  b: { id: '/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/r2"
        "/providers/Microsoft.MachineLearningServices/workspaces/W' }\n"
    )
    assert bad(list(names.check(project.subject))) == [
        "warning workspaces.yaml: 2 workspaces are called w in Azure: a, b"
    ]


def test_apps_that_share_an_account_are_found() -> None:
    assert bad(list(host_ids(["a"], "", "x"))) == bad(list(host_ids(["a"], "a", "x"))) == []
    assert bad(list(host_ids(["a", "b"], "", "x"))) == ["warning x: function apps share this storage account: a, b"]
    assert bad(list(host_ids(["a", "b"], "A", "x"))) == ["warning x: function apps share this storage account: b"]
    assert "has more than 32 characters" in bad(list(host_ids([], "f" * 33, "x")))[0]
