"""`mlevents doctor --function-app`, on an emulated Azure: the app, its roles, its workspaces, its subscriptions."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import ClientAuthenticationError

from emulator import Azure
from mlevents import PROJECT
from mlevents.__main__ import main
from mlevents.commands.doctor import doctor
from mlevents.commands.doctor.doctor import account_of, is_local, subject_of
from mlevents.doctor import function_app, roles, settings, workspaces
from mlevents.doctor.diagnosis import Diagnosis
from mlevents.doctor.function_app import FunctionApp, describe_failure
from mlevents.doctor.settings import functions_of
from tests.kit.started import ROOT
from tests.kit.world import SETTINGS
from tests.mlevents.doctor.project import Project, bad

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"  # compares runs and models with the record
DEV, PROD = SETTINGS["RULES_WS_CHURN_DEV"], SETTINGS["RULES_WS_CHURN_PROD"]
GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-app"
FUNCTIONS = (*functions_of(ROOT),)
SITE = f"{GROUP}/providers/Microsoft.Web/sites/my-events"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/mystorage"
PRINCIPAL, CLIENT = "99999999-1111-1111-1111-111111111111", "88888888-1111-1111-1111-111111111111"
SCIENTIST = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
STORAGE_ROLES = (
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
)


def add_site(azure: Azure, values: dict[str, str], functions: tuple[str, ...] = FUNCTIONS, **more: Any) -> None:
    """A function app with a system-assigned and a user-assigned identity."""
    identity = {
        "principalId": PRINCIPAL,
        "userAssignedIdentities": {"/x": {"clientId": CLIENT, "principalId": PRINCIPAL.replace("9", "7")}},
    }
    config = {"runtime": {"name": "python", "version": "3.12"}}
    properties = {"state": "Running", "functionAppConfig": config, "settings": values, **more}
    with azure.state.lock:
        azure.state.add(SITE, {"properties": properties, "identity": identity})
        azure.state.add(ACCOUNT, {"properties": {}})
        for name in functions:
            azure.state.add(f"{SITE}/functions/{name}", {"properties": {}})


def assign(azure: Azure, scope: str, *role_ids: str, principal: str = PRINCIPAL) -> None:
    with azure.state.lock:
        for id in role_ids:
            name = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid4()}"
            role = f"/providers/Microsoft.Authorization/roleDefinitions/{id}"
            azure.state.add(name, {"properties": {"principalId": principal, "roleDefinitionId": role}})


SETTINGS_OF_APP = {
    "AzureWebJobsStorage__accountName": "mystorage",
    "PYTHON_THREADPOOL_THREAD_COUNT": "32",
    **SETTINGS,
}


def read(project: Project, name: str = "my-events") -> FunctionApp:
    subject = subject_of(project.folder)[0]
    assert subject.rules
    subscriptions = [each.id.subscription for each in subject.rules.workspaces or ()]
    return function_app.read(name, "rg-app", subscriptions)


def test_app_that_runs_is_well(azure: Azure, project: Project) -> None:
    add_site(azure, SETTINGS_OF_APP)
    app = read(project)
    [found] = function_app.check(app, FUNCTIONS)
    assert (found.severity, found.what) == ("ok", f"my-events runs Python 3.12, with {len(FUNCTIONS)} functions")
    assert read(project, SITE).id == app.id


def test_app_in_another_subscription_is_found(azure: Azure, project: Project) -> None:
    """Of those that the login may see."""
    add_site(azure, SETTINGS_OF_APP)
    assert function_app.read("my-events", "rg-app", []).id == SITE


def test_app_that_cannot_work_is_found(azure: Azure, project: Project) -> None:
    add_site(azure, SETTINGS_OF_APP, ("act",), state="Stopped", functionAppConfig=None)
    with azure.state.lock:
        del azure.state.require(SITE).body["identity"]
    texts = " ".join(bad(list(function_app.check(read(project), FUNCTIONS))))
    assert "it is Stopped: Event Grid drops its events at the first 403" in texts
    assert "these functions are missing: act_poison, azureml_event" in texts
    assert "it has no identity" in texts
    with azure.state.lock:
        azure.state.remove(f"{SITE}/functions/act")
    assert "it has no functions" in " ".join(bad(list(function_app.check(read(project), FUNCTIONS))))


SIGN_IN = {"platform": {"enabled": True}, "globalValidation": {"unauthenticatedClientAction": "Return401"}}


def test_app_that_refuses_events_or_shows_no_page_is_found(azure: Azure, project: Project) -> None:
    add_site(azure, SETTINGS_OF_APP, authentication=SIGN_IN, publicNetworkAccess="Disabled")
    texts = bad(list(function_app.check(read(project), FUNCTIONS)))
    assert texts[0].endswith("it has no public network access: Event Grid cannot push events to its function")
    assert "App Service Authentication refuses who has not signed in (Return401)" in texts[1]
    with azure.state.lock:
        azure.state.remove(SITE)
    anonymous = {**SIGN_IN, "globalValidation": {"unauthenticatedClientAction": "AllowAnonymous"}}
    add_site(azure, {**SETTINGS_OF_APP, "MLEVENTS_WEB": "entra"}, authentication=anonymous)
    assert bad(list(function_app.check(read(project), FUNCTIONS))) == []
    with azure.state.lock:
        azure.state.require(SITE).properties["authentication"] = {}
    assert "nobody sees the page" in bad(list(function_app.check(read(project), FUNCTIONS)))[0]


def test_settings_of_one_machine_do_not_work_in_azure(project: Project) -> None:
    project.settings(AzureWebJobsStorage="UseDevelopmentStorage=true")
    texts = " ".join(bad(list(settings.check(replace(project.subject, deployed=True)))))
    assert "AzureWebJobsStorage names the storage of a developer's machine" in texts
    assert "APPLICATIONINSIGHTS_CONNECTION_STRING is not set" in texts


def test_app_that_does_not_exist_is_an_error(azure: Azure, project: Project) -> None:
    code, out = project.run("--function-app", "other", "-g", "rg-app", "--json")
    [found] = [each for each in json.loads(out)["diagnoses"] if each["group"] == "function app"]
    assert (code, found["severity"]) == (1, "error")
    assert "other" in found["what"]
    azure.faults.fail("GET */sites/*", status=500, code="InternalServerError", message="no", times=5)
    with pytest.raises(function_app.NotFound, match="does not show my-events: HTTP 500"):
        read(project)


def test_parts_that_may_not_be_read_are_warnings(azure: Azure, project: Project) -> None:
    add_site(azure, SETTINGS_OF_APP)
    azure.faults.fail("POST */config/appsettings/list", status=403, code="AuthorizationFailed", message="no role")
    found = list(function_app.check(read(project), FUNCTIONS))
    assert bad(found) == [f"warning {SITE}: this could not be read: settings: HTTP 403: AuthorizationFailed: no role"]


def test_command_examines_the_deployed_settings(azure: Azure, project: Project, azurite_connection: str) -> None:
    """Key Vault references are resolved by Azure, which says which of them it could not."""
    reference = "@Microsoft.KeyVault(SecretUri=https://v/x)"
    values = {**SETTINGS_OF_APP, "AzureWebJobsStorage": azurite_connection, "MLEVENTS_TABLE": f"t{uuid4().hex}"}
    values |= {"RULES_HOOK": reference, "MLEVENTS_FLAVOUR": "x", "EMAIL_SMTP_PASSWORD": "s3cr3t"}
    values |= {"FUNCTIONS_WORKER_RUNTIME": "python", "RULES_OTHER_KEY": "s3cr3t", "EMAIL_ACS_ENDPOINT": ""}
    add_site(azure, values, references={"RULES_HOOK": {"status": "VaultNotFound", "details": "no such vault"}})
    out = project.run("--function-app", "my-events", "-g", "rg-app", "--json")[1]
    found = json.loads(out)["diagnoses"]
    texts = {f"{each['severity']} {each['what']}" for each in found}
    assert "error RULES_HOOK is a Key Vault reference that Azure could not resolve: no such vault" in texts
    assert "warning the app reads no setting MLEVENTS_FLAVOUR" in texts
    assert "warning RULES_OTHER_KEY holds a secret" in texts
    assert any("FUNCTIONS_WORKER_RUNTIME is set, which Flex Consumption does not support" in text for text in texts)
    assert f"ok my-events runs Python 3.12, with {len(FUNCTIONS)} functions" in texts
    assert "s3cr3t" not in out


def test_names_are_given_as_az_takes_them(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--app NAME -g GROUP` is the deployed app, examined with the rules of the project."""
    examined = []

    def record(*arguments: object, **_: object) -> Iterator[Diagnosis]:
        examined.append(arguments)
        yield from ()

    monkeypatch.setattr(doctor, "_examined", record)
    assert main(["doctor", "--app", "my-events", "-g", "rg-app"]) == 0
    assert examined == [(PROJECT, "", "my-events", "rg-app")]
    assert main(["doctor", "-g", "rg-app"]) == 2
    assert main(["doctor", "--function-app", "my-events"]) == 2
    assert main(["doctor", "--function-app", SITE]) == 0


# --- roles ------------------------------------------------------------------------------------------------------------

DEPLOYS = """
rules:
  - { name: deploy-churn, on: ModelRegistered, in: churn-prod, do: deploy, with: { endpoint: churn } }
"""


def of_roles(project: Project, azure: Azure, **values: str) -> list[Diagnosis]:
    project.settings(**values)
    return list(roles.check(subject_of(project.folder)[0], read(project), "mystorage"))


def test_missing_login_is_reported_without_the_sources_that_were_tried() -> None:
    error = ClientAuthenticationError("DefaultAzureCredential failed to retrieve a token\nEnvironmentCredential: …")
    assert describe_failure(error) == "there is no login to Azure"


def test_roles_of_the_identity_are_compared_with_those_that_rules_need(azure: Azure, project: Project) -> None:
    project.write("rules/team.yaml", DEPLOYS)
    add_site(azure, SETTINGS_OF_APP)
    assign(azure, ACCOUNT, *STORAGE_ROLES[:2])
    found = of_roles(project, azure)
    assert bad(found) == [
        f"warning {ACCOUNT}: the app's identity does not have the role Storage Table Data Contributor; "
        "it has 2 other roles there, which may permit the same",
        f"error {PROD}: the app's identity does not have the role AzureML Data Scientist, for deploy-churn",
        *(
            f"warning {PROD}: the app's identity does not have the role {role}, for deploy-churn, "
            "which makes results better"
            for role in ("Monitoring Reader", "Reader")
        ),
    ]
    assert found[1].to_do == (
        f"az role assignment create --assignee-object-id {PRINCIPAL} --assignee-principal-type ServicePrincipal "
        f"--role {SCIENTIST} --scope {PROD}"
    )
    assign(azure, GROUP, STORAGE_ROLES[2])
    assign(azure, PROD, "b24988ac-6180-42a0-ab88-20f7382dd24c")  # Contributor
    [well] = of_roles(project, azure)
    assert well.what.startswith("6 roles of the identity 99999999… are there; not looked for, because")


def test_identity_is_the_one_that_the_settings_name(azure: Azure, project: Project) -> None:
    add_site(azure, SETTINGS_OF_APP)
    assign(azure, ACCOUNT, *STORAGE_ROLES, principal=PRINCIPAL.replace("9", "7"))
    for workspace in (DEV, PROD):
        assign(azure, workspace, READER, principal=PRINCIPAL.replace("9", "7"))
    assert bad(of_roles(project, azure, AZURE_CLIENT_ID=CLIENT)) == []
    [found] = bad(of_roles(project, azure, AZURE_CLIENT_ID="0"))
    assert "which is none of the app's identities" in found


def test_roles_that_cannot_be_read_are_a_warning(azure: Azure, project: Project) -> None:
    add_site(azure, SETTINGS_OF_APP)
    azure.faults.fail("GET *roleAssignments", status=403, code="AuthorizationFailed", message="no role", times=3)
    found = bad(of_roles(project, azure))
    assert found[0] == f"warning {ACCOUNT}: roles cannot be read: HTTP 403: AuthorizationFailed: no role"


# --- workspaces and subscriptions -------------------------------------------------------------------------------------


def test_workspaces_are_tried(azure: Azure, project: Project) -> None:
    subject = subject_of(project.folder)[0]
    assert bad(list(workspaces.check(subject))) == []
    project.settings(RULES_WS_CHURN_DEV=f"{DEV}-gone")
    azure.faults.fail(f"GET {PROD}/models", status=403, code="AuthorizationFailed", message="no role")
    found = bad(list(workspaces.check(subject_of(project.folder)[0])))
    assert found[0].startswith(f"error {DEV}-gone: churn-dev ")
    assert found[1] == f"error {PROD}: churn-prod cannot be read: HTTP 403: AuthorizationFailed: no role"


def subscribe(azure: Azure, workspace: str, types: list[str], endpoint: dict[str, Any], **filter: Any) -> None:
    topic = f"{workspace.partition('/providers/')[0]}/providers/Microsoft.EventGrid/systemTopics/t"
    dead = {"endpointType": "StorageBlob", "properties": {"resourceId": ACCOUNT, "blobContainerName": "deadletter"}}
    properties = {
        "destination": endpoint,
        "filter": {"includedEventTypes": types, **filter},
        "deadLetterDestination": dead,
    }
    with azure.state.lock:
        azure.state.add(topic, {"properties": {"source": workspace}})
        azure.state.add(f"{topic}/eventSubscriptions/azureml-event", {"properties": properties})


TYPE = "Microsoft.MachineLearningServices.RunCompleted"


def test_subscriptions_are_compared(azure: Azure, project: Project) -> None:
    function = {"endpointType": "AzureFunction", "properties": {"resourceId": f"{SITE}/functions/azureml_event"}}
    subscribe(azure, DEV, [TYPE], function)
    subject = subject_of(project.folder)[0]
    found = list(workspaces.subscriptions(subject, SITE))
    assert bad(found) == [
        f"error {PROD}: azureml-event of churn-prod: no subscription delivers RunCompleted to the app"
    ]
    subscribe(azure, PROD, [TYPE], function)
    [well] = workspaces.subscriptions(subject, SITE)
    assert well.what == "2 event subscriptions are as the rules need them"


def test_subscriptions_that_cannot_be_compared_are_a_warning(azure: Azure, project: Project) -> None:
    azure.faults.fail("GET *systemTopics", status=403, code="AuthorizationFailed", message="no role")
    [found] = bad(list(workspaces.subscriptions(subject_of(project.folder)[0])))
    assert "Resource Manager refuses you" in found
    project.write("rules/team.yaml", "rules: [{ name: x }]")
    [found] = bad(list(workspaces.subscriptions(subject_of(project.folder)[0])))
    assert "some of which have errors" in found
    project.settings(MLEVENTS_RETENTION="1d")  # so that rules are not loaded
    assert list(workspaces.check(subject_of(project.folder)[0])) == []


def test_other_filters_are_a_warning(azure: Azure, project: Project) -> None:
    """They may be those of `mlevents subscriptions --filter`."""
    function = {"endpointType": "AzureFunction", "properties": {"resourceId": f"{SITE}/functions/azureml_event"}}
    for workspace in (DEV, PROD):
        subscribe(azure, workspace, [TYPE], function, subjectBeginsWith="x")
    found = bad(list(workspaces.subscriptions(subject_of(project.folder)[0], SITE)))
    assert [each.partition(" ")[0] for each in found] == ["warning", "warning"]


def test_account_is_that_of_the_settings() -> None:
    assert account_of({"AzureWebJobsStorage__accountName": "a"}) == "a"
    assert account_of({"AzureWebJobsStorage__queueServiceUri": "https://b.queue.core.windows.net"}) == "b"
    assert account_of({"AzureWebJobsStorage": "X=1;AccountName=c;AccountKey=k"}) == "c"
    assert account_of({}) == ""
    assert is_local({"AzureWebJobsStorage": "UseDevelopmentStorage=true"})
    assert not is_local({"AzureWebJobsStorage__accountName": "a"})
