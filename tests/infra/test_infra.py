"""infra/: Bicep that agrees with Microsoft's published types, with the app, and with what Flex Consumption forbids."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from dispatch.app import App
from dispatch.settings import Names
from mlevents.__main__ import COMMANDS
from mlevents.app_settings import LocalSettings
from mlevents.commands.roles.bicep import as_bicep
from mlevents.commands.roles.model import assignments
from tests.infra.checker import BicepFile, check
from tests.infra.published import INFRA, published, resources_of

ROOT = INFRA.parent
FILES = sorted([*INFRA.glob("*.bicep"), *INFRA.glob("modules/*.bicep"), INFRA / "generated/roles.bicep"])
EACH_FILE = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(INFRA)))
# "Flex Consumption plan deprecated properties and settings", on learn.microsoft.com.
FORBIDDEN = {
    *("FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_WORKER_RUNTIME_VERSION"),
    *("WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE"),
    *("SCM_DO_BUILD_DURING_DEPLOYMENT", "ENABLE_ORYX_BUILD", "WEBSITE_VNET_ROUTE_ALL", "linuxFxVersion", "alwaysOn"),
    *(
        "FUNCTIONS_MAX_HTTP_CONCURRENCY",
        "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT",
        "containerSize",
        "functionsTimeout",
    ),
}


def text_of(path: str) -> str:
    return (INFRA / path).read_text(encoding="utf-8")


@EACH_FILE
def test_file_agrees_with_the_published_types_and_its_modules(path: Path) -> None:
    assert check(path) == []


def test_published_types_are_those_that_the_files_use() -> None:
    """Otherwise: python -m tests.infra.published FOLDER"""
    assert {name.lower() for name in resources_of(FILES)} == published()["resources"].keys()


def test_property_that_no_type_has_is_the_documented_one() -> None:
    assert {name for path in FILES for name in BicepFile.read(path).exempt} == {"siteUpdateStrategy"}


def test_role_on_any_resource_is_a_valid_template() -> None:
    """The module that Bicep cannot express."""
    template = json.loads(text_of("modules/role.json"))
    [resource] = template["resources"]
    types = published()["types"]
    body = types[types[published()["resources"]["microsoft.resources/resourcegroups@2024-11-01"]]["body"]]
    assert body["$type"] == "ObjectType"
    assert (resource["type"], resource["apiVersion"]) == ("Microsoft.Authorization/roleAssignments", "2022-04-01")
    assert resource["properties"].keys() == {"roleDefinitionId", "principalId", "principalType"}
    assert set(re.findall(r"parameters\('(\w+)'\)", json.dumps(resource))) == template["parameters"].keys()


def test_generated_roles_have_the_parameters_that_a_deployment_generates() -> None:
    """Each deployment writes the file again; what is in the repository stays as it is for users who keep theirs."""
    rules = App.build(LocalSettings.load(ROOT).environment(os.environ)[0], ROOT).rules
    assert rules.errors == ()
    generated = as_bicep(assignments(rules))
    assert re.findall("^param .*", text_of("generated/roles.bicep"), re.M) == re.findall("^param .*", generated, re.M)


def test_storage_has_the_table_and_the_queues_of_the_app() -> None:
    names, storage = Names(), text_of("modules/storage.bicep")
    queues = re.findall(r"var queueNames = \[(.*)\]", storage)[0]
    assert set(re.findall("'(.*?)'", queues)) == {
        name + end for name in (names.events, names.actions) for end in ("", "-poison")
    }
    assert f"name: '{names.table}'" in storage


def test_poison_alert_names_functions_of_the_app() -> None:
    functions = set(re.findall(r"^def (\w+)\(", (ROOT / "function_app.py").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r'"(\w+)"', text_of("modules/alerts.bicep")))
    assert named == {"act", "act_poison", "queued_event_poison", "sweep", "watch", "web", "monitor_alert"}
    assert named <= functions


def test_nothing_has_a_key() -> None:
    assert "allowSharedKeyAccess: false" in text_of("modules/storage.bicep")
    assert "DisableLocalAuth: true" in text_of("modules/monitoring.bicep")
    assert text_of("modules/app.bicep").count("properties: { allow: false }") == 2
    for path in FILES:
        assert not re.search(r"listKeys|InstrumentationKey|AccountKey", path.read_text(encoding="utf-8")), path


def test_flex_consumption_forbids_no_setting() -> None:
    for path in [*FILES, INFRA / "main.bicepparam"]:
        assert not FORBIDDEN & set(re.findall(r"\w+", path.read_text(encoding="utf-8"))), path


def test_settings_of_the_app_are_documented() -> None:
    """By docs/reference/settings.md, or by Microsoft for the host and its telemetry."""
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    settings = re.findall(r"^\s+([A-Z]\w+_\w+): ", text_of("modules/app.bicep") + text_of("modules/mail.bicep"), re.M)
    host = {"AzureWebJobsStorage__blobServiceUri"}
    telemetry = {"APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"}
    assert len(settings) > 8
    for name in set(settings) - host - telemetry:
        assert f"`{name}`" in page or f"`{name.removeprefix('AzureWebJobsStorage')}`" in page, name


def test_page_lets_event_grid_pass() -> None:
    """docs/history.md: App Service would otherwise refuse each event."""
    page = text_of("modules/page.bicep")
    assert "requireAuthentication: false, unauthenticatedClientAction: 'AllowAnonymous'" in page


def test_parameters_file_has_parameters_of_the_main_file() -> None:
    main, given = BicepFile.read(INFRA / "main.bicep").part("parameters"), text_of("main.bicepparam")
    names = re.findall(r"^param (\w+) =", given, re.MULTILINE)
    assert "using './main.bicep'\n" in given
    assert len(set(names)) == len(names)
    assert set(names) <= main.keys()
    assert all("default" in main[name] for name in main.keys() - set(names)), "the file of a user lacks new parameters"
    for name, default in re.findall(r"^param (\w+) = readEnvironmentVariable\('\w+', '(.*)'\)", given, re.MULTILINE):
        assert main[name]["default"] == default


def test_azd_deploys_the_app_between_the_two_steps() -> None:
    project = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    assert project["infra"] == {"provider": "bicep", "path": "infra", "module": "main"}
    assert project["services"] == {"app": {"project": ".", "language": "py", "host": "function"}}
    assert "'azd-service-name': 'app'" in text_of("modules/app.bicep")
    assert "'azd-env-name': name" in text_of("main.bicep")
    assert project["hooks"] == {
        "preprovision": {"shell": "sh", "run": ".venv/bin/mlevents roles --format bicep > infra/generated/roles.bicep"},
        "postdeploy": {"shell": "sh", "run": "infra/subscribe.sh"},
    }


def test_commands_of_the_scripts_exist() -> None:
    scripts = text_of("deploy.sh") + text_of("subscribe.sh") + (ROOT / "azure.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"\.venv/bin/mlevents (\w+)", scripts)) == {"roles", "subscriptions"} & COMMANDS.keys()


STUB = """#!/bin/sh
printf '%s' "$(basename "$0")" >> "$LOG"
for word in "$@"; do printf ' %s' "$word" >> "$LOG"; done
echo >> "$LOG"
case "$*" in
  *" show "*) echo "value-of-$(echo "$*" | sed 's/.*outputs.\\([a-zA-Z]*\\).*/\\1/')" ;;
  *system-topic*) echo '["topic"]' ;;
  *) echo "printed" ;;
esac
"""


@pytest.mark.services
@pytest.mark.parametrize(("network", "via"), [("public", "function"), ("private", "queue")])
def test_script_runs_the_steps_in_order(network: str, via: str, tmp_path: Path) -> None:
    """With commands that only record how they are called."""
    for name in ("az", "func", "mlevents"):
        path = tmp_path / (".venv/bin" if name == "mlevents" else "bin") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(STUB)
        path.chmod(0o755)
    (tmp_path / "infra/generated").mkdir(parents=True)
    for name in ("deploy.sh", "subscribe.sh"):
        shutil.copy(INFRA / name, tmp_path / "infra")
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "LOG": str(tmp_path / "log"), "NETWORK": network}
    environment |= {"AZURE_ENV_NAME": "mine", "AZURE_LOCATION": "westeurope"}
    subprocess.run([tmp_path / "infra/deploy.sh"], env=environment, check=True)
    calls = [line for line in (tmp_path / "log").read_text().splitlines() if " show " not in line]
    assert [" ".join(call.split()[:4]) for call in calls] == [
        "mlevents roles --format bicep",
        "az deployment sub create",
        "func azure functionapp publish",
        "mlevents subscriptions --format bicep",
        "az deployment group create",
        "az eventgrid system-topic list",
        "az deployment group create",
    ]
    assert (tmp_path / "infra/generated/roles.bicep").read_text() == "printed\n"
    assert calls[2].endswith(" value-of-functionAppName")
    assert f"--via {via} --function-app value-of-functionAppId --storage value-of-storageId" in calls[3]
    assert calls[6].endswith('actionGroupId=value-of-actionGroupId topicIds=["topic"]')


def test_script_reads_outputs_that_exist() -> None:
    outputs = BicepFile.read(INFRA / "main.bicep").part("outputs").keys()
    assert set(re.findall(r"output (\w+)\)", text_of("deploy.sh"))) <= outputs
    assert set(re.findall(r"\$([a-z]\w+[A-Z]\w+)", text_of("subscribe.sh"))) <= outputs
    assert not any(name[:2].isupper() for name in outputs)  # Resource Manager changes the case of these
