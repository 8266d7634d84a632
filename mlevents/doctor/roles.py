"""The roles of a deployed app's identity, compared with those that its rules need.

Source: learn.microsoft.com, "List Azure role assignments using the REST API": at a scope, with assignedTo(),
assignments of groups and of scopes above count, too.
"""

from mlevents.commands.roles.model import STORAGE, Assignment, assignments
from mlevents.doctor.diagnosis import Diagnoses, Group, Subject
from mlevents.doctor.function_app import FAILURES, FunctionApp, client, describe_failure

VERSION, STORAGE_VERSION = "2022-04-01", "2024-01-01"

_GROUP = Group("roles")
_OWNER, _CONTRIBUTOR = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "b24988ac-6180-42a0-ab88-20f7382dd24c"
_WIDE = {_OWNER, _CONTRIBUTOR}  # they permit what the roles of these kinds do; not what is done with data
_MANAGED = {"Azure ML workspace", "data factory"}


def check(subject: Subject, app: FunctionApp, account: str) -> Diagnoses:
    """Look for each role on a resource whose id is known: those of rules, and those of the storage account."""
    if subject.rules is None or not app.principals:
        return
    named = {name.upper(): value for name, value in subject.environment.items()}
    chosen = named.get("AZURE_CLIENT_ID", "").lower()
    principal = app.principals.get(chosen) or (next(iter(app.principals.values())) if not chosen else "")
    if not principal:
        text = f"AZURE_CLIENT_ID is {chosen}, which is none of the app's identities"
        yield _GROUP.error(text, app.id, "assign that identity to the app, or correct the setting")
        return
    here = f"{app.group}/providers/Microsoft.Storage/storageAccounts/{account}" if account else ""
    unknown, found = [], 0
    held: dict[str, set[str]] = {}
    for each in assignments(subject.rules):
        resource = here if each.resource == STORAGE else each.resource
        if not resource.startswith("/"):
            unknown.append(each.role.name)
            continue
        try:
            if resource not in held:
                held[resource] = _held(resource, principal)
        except FAILURES as error:
            to_do = "your login needs the role Reader there"
            yield _GROUP.warning(f"roles cannot be read: {describe_failure(error)}", resource, to_do)
            held[resource] = set()
            continue
        if _has(each, held[resource]):
            found += 1
        else:
            yield from _missing(each, held[resource], resource, principal)
    rest = f"; not looked for, because rules do not name their resources: {', '.join(dict.fromkeys(unknown))}"
    yield _GROUP.ok(f"{found} roles of the identity {principal[:8]}… are there{rest if unknown else ''}")


def _held(scope: str, principal: str) -> set[str]:
    """The ids of the roles that an identity has at a scope."""
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments"
    page = client(VERSION).get(path, {"$filter": f"assignedTo('{principal}')"}) or {}
    ids = (str((each.get("properties") or {}).get("roleDefinitionId", "")) for each in page.get("value") or ())
    return {id.rpartition("/")[2].lower() for id in ids}


def _has(needed: Assignment, held: set[str]) -> bool:
    return needed.role.id in held or (str(needed.role.scope) in _MANAGED and bool(_WIDE & held))


def _missing(needed: Assignment, held: set[str], resource: str, principal: str) -> Diagnoses:
    rules = f", for {', '.join(needed.rules[:3])}" if needed.rules else ""
    text = f"the app's identity does not have the role {needed.role.name}{rules}"
    command = (
        f"az role assignment create --assignee-object-id {principal} --assignee-principal-type ServicePrincipal "
        f"--role {needed.role.id} --scope {resource}"
    )
    if held:
        yield _GROUP.warning(
            f"{text}; it has {len(held)} other roles there, which may permit the same", resource, command
        )
    elif needed.role.optional:
        yield _GROUP.warning(f"{text}, which makes results better", resource, command)
    else:
        yield _GROUP.error(text, resource, command)
