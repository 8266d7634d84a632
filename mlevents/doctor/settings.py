"""App settings: missing, unresolved, misspelled, contradictory, and secrets where an identity would do.

Sources: learn.microsoft.com, "App settings reference for Azure Functions" (settings that Flex Consumption does not
support), "Guidance for developing Azure Functions" (connections) and "Use Key Vault references as app settings".
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from dispatch.settings import CONNECTION, Environment
from mlevents.app_rules import of_settings
from mlevents.app_settings import is_disabled
from mlevents.doctor.diagnosis import Diagnoses, Group, Subject

THREADS = 32

_GROUP = Group("settings")
_NEEDED = {"sweep", "act", "act_poison", "queued_event_poison"}  # without them, actions stay undone
_SECRET = re.compile(r".*(KEY|PASSWORD|PASSWD|SECRET|TOKEN|_PWD|_PASS|_SAS)", re.IGNORECASE)
_REFERENCE = "@Microsoft.KeyVault("
_NOT_IN_FLEX = {  # "Flex Consumption plan deprecations" in the reference
    *("FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_WORKER_RUNTIME_VERSION", "FUNCTIONS_EXTENSION_VERSION"),
    *("WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE"),
    *("SCM_DO_BUILD_DURING_DEPLOYMENT", "ENABLE_ORYX_BUILD"),
}


def check(subject: Subject) -> Diagnoses:
    """Check the settings. Values of secrets are not shown."""
    settings = Environment(subject.environment)
    found = [
        *_names(subject),
        *_secrets(subject),
        *_connection(settings, subject),
        *_identity(settings, subject),
        *_functions(subject),
        *_page(settings, subject),
    ]
    yield from found
    if all(each.severity == "ok" for each in found):
        yield _GROUP.ok(f"{len(subject.own)} settings are set", subject.source)


def _names(subject: Subject) -> Diagnoses:
    """Settings whose names the app does not know."""
    for finding in of_settings(subject.environment, all_of=True):
        yield _GROUP.warning(finding.message, subject.source, finding.hint or "remove it")
    if subject.deployed:
        for name in sorted(_NOT_IN_FLEX & {each.upper() for each in subject.own}):
            text = f"{name} is set, which Flex Consumption does not support: publishing may fail"
            yield _GROUP.warning(text, subject.source, "remove it; functionAppConfig in infra/ replaces it")


def _secrets(subject: Subject) -> Diagnoses:
    for name, value in sorted(subject.own.items()):
        if value.startswith(_REFERENCE) and not subject.deployed:
            text = f"{name} is a Key Vault reference, which only Azure resolves"
            yield _GROUP.error(
                text, subject.source, "write the value for this machine here; keep the reference in Azure"
            )
        elif better := _better(name, value, subject):
            yield _GROUP.warning(f"{name} holds a secret", subject.source, better)


def _better(name: str, value: str, subject: Subject) -> str:
    """What is better than this secret; empty if it is none, or if it stays on this machine."""
    upper = name.upper()
    if not value or value.startswith(_REFERENCE) or "UseDevelopmentStorage=true" in value:
        return ""
    if upper == CONNECTION.upper() and "accountkey=" in value.lower() and "devstoreaccount1" not in value:
        return f"use the app's identity: remove it, and set {CONNECTION}__accountName"
    if upper == "EMAIL_ACS_KEY":
        return "remove it: without a key, the app's identity sends mail (docs/handlers/email.md)"
    if subject.deployed and upper.startswith(("RULES_", "EMAIL_")) and _SECRET.fullmatch(upper):
        return "store it in a Key Vault, and write @Microsoft.KeyVault(SecretUri=…)"
    return ""


def _connection(settings: Environment, subject: Subject) -> Diagnoses:
    if subject.deployed and "UseDevelopmentStorage" in settings.raw(CONNECTION):
        text = f"{CONNECTION} names the storage of a developer's machine"
        yield _GROUP.error(text, subject.source, f"remove it, and set {CONNECTION}__accountName")
    if subject.deployed and not settings.raw("APPLICATIONINSIGHTS_CONNECTION_STRING"):
        text = "APPLICATIONINSIGHTS_CONNECTION_STRING is not set: the log is lost, and its alerts never fire"
        yield _GROUP.warning(text, subject.source, "create an Application Insights resource, as infra/ does")
    given = [name for name in _connections() if settings.raw(name)]
    plain = settings.raw(CONNECTION)
    if plain and given:
        text = f"{CONNECTION} and {given[0]} are both set: the connection string is used, and its keys"
        yield _GROUP.warning(text, subject.source, f"remove {CONNECTION} to use the identity")
    if settings.raw(f"{CONNECTION}__accountName") and settings.raw(f"{CONNECTION}__queueServiceUri"):
        text = f"{CONNECTION}__accountName and {CONNECTION}__queueServiceUri are both set: the host takes the name"
        yield _GROUP.warning(text, subject.source, "remove one of them (Azure/azure-functions-host#10401)")
    if (
        not plain
        and settings.raw(f"{CONNECTION}__queueServiceUri")
        and not settings.raw(f"{CONNECTION}__blobServiceUri")
    ):
        text = f"{CONNECTION}__blobServiceUri is not set: the host keeps leases and keys in blobs"
        yield _GROUP.error(text, subject.source, f"set {CONNECTION}__blobServiceUri")


def _connections() -> Iterator[str]:
    for part in ("accountName", "queueServiceUri", "tableServiceUri", "blobServiceUri"):
        yield f"{CONNECTION}__{part}"


def _identity(settings: Environment, subject: Subject) -> Diagnoses:
    """A user-assigned identity must be named twice: for the host, and for everything else."""
    ours, hosts = settings.raw("AZURE_CLIENT_ID"), settings.raw(f"{CONNECTION}__clientId")
    if hosts and not ours:
        text = (
            f"{CONNECTION}__clientId names an identity, and AZURE_CLIENT_ID does not: only storage is reached with it"
        )
        yield _GROUP.error(text, subject.source, f"set AZURE_CLIENT_ID to the same id as {CONNECTION}__clientId")
    elif hosts and ours.casefold() != hosts.casefold():
        text = f"AZURE_CLIENT_ID and {CONNECTION}__clientId name different identities"
        yield _GROUP.warning(text, subject.source, "give both the roles that `mlevents roles` lists, or set one id")


def functions_of(folder: Path) -> list[str]:
    """The names of the functions in function_app.py; none if it cannot be read, which the group host.json reports."""
    try:
        tree = ast.parse((folder / "function_app.py").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SyntaxError):
        return []
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [each.name for each in functions if any(ast.unparse(d).startswith("app.") for d in each.decorator_list)]


def _functions(subject: Subject) -> Diagnoses:
    for name in functions_of(subject.folder):
        if is_disabled(name, subject.environment):
            text, to_do = f"the function {name} is disabled", f"remove AzureWebJobs.{name}.Disabled"
            yield (_GROUP.error if name in _NEEDED else _GROUP.warning)(text, subject.source, to_do)
    threads = Environment(subject.environment).raw("PYTHON_THREADPOOL_THREAD_COUNT")
    if not threads.isdecimal() or int(threads) < THREADS:
        text = (
            f"PYTHON_THREADPOOL_THREAD_COUNT is {threads or 'not set'}: a worker on one core has 5 threads by default"
        )
        yield _GROUP.warning(text, subject.source, f"set it to {THREADS}")


def _page(settings: Environment, subject: Subject) -> Diagnoses:
    mode = settings.raw("MLEVENTS_WEB").casefold()
    if mode not in ("", "entra", "key"):
        yield _GROUP.error(f"MLEVENTS_WEB is {mode!r}: nobody sees the page", subject.source, "write entra or key")
    if mode != "entra" and settings.raw("MLEVENTS_WEB_OPERATORS"):
        text = "MLEVENTS_WEB_OPERATORS counts only if MLEVENTS_WEB is entra"
        yield _GROUP.warning(text, subject.source, "set MLEVENTS_WEB to entra, or remove it")
    if mode == "key":
        text = "whoever has a key of the function sees the page, and the key is part of each address"
        yield _GROUP.warning(text, subject.source, "prefer MLEVENTS_WEB=entra: docs/history.md")


def unresolved(references: Mapping[str, Mapping[str, str]], source: str) -> Diagnoses:
    """Key Vault references of a deployed app that Azure could not resolve, by setting, with status and details."""
    for name, about in sorted(references.items()):
        if about.get("status", "Resolved") != "Resolved":
            reason = about.get("details") or about["status"]
            text = f"{name} is a Key Vault reference that Azure could not resolve: {reason}"
            to_do = "check that the secret exists, and that the app's identity has the role Key Vault Secrets User"
            yield _GROUP.error(text, source, to_do)
