"""`Assignment`: a role that the app's identity needs on a resource, for the app itself or for rules."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dispatch.guards.lasting.still_after import StillAfter
from dispatch.guards.late import Late
from dispatch.rules.checks.templates import templates_of
from dispatch.rules.rule import ALERTS, Rule, Rules
from dispatch.watch.demand import demands, reconciled
from handlers.roles import WORKSPACE_READER, Role, Scope
from schemas import EVENT_NAMES, WorkspaceId
from schemas.events.base import FACT_NAMES
from schemas.events.run import RunEvent

# Resources that infra/ creates, by the parameters of its module of roles.
STORAGE, INSIGHTS, COMMUNICATION_SERVICE = "storageId", "applicationInsightsId", "communicationServiceId"

# Of Azure's host: "Connecting to host storage with an identity", and "Configure monitoring for Azure Functions".
_ACCOUNT, _TELEMETRY = "the app's storage account", "Application Insights"
_BLOBS, _QUEUES = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "974c5e8b-45b9-4653-ba55-5f855dd0fb88"
_TABLES, _METRICS = "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", "3913510d-42f4-4e42-8a64-420c390055eb"
_HOST = (
    (Role("Storage Blob Data Owner", _BLOBS, Scope.BLOB_CONTAINER, _ACCOUNT, "code, and leases of the host"), STORAGE),
    (Role("Storage Queue Data Contributor", _QUEUES, Scope.STORAGE_QUEUE, _ACCOUNT, "what waits"), STORAGE),
    (Role("Storage Table Data Contributor", _TABLES, Scope.STORAGE_TABLE, _ACCOUNT, "the record"), STORAGE),
    (Role("Monitoring Metrics Publisher", _METRICS, Scope.APPLICATION_INSIGHTS, _TELEMETRY, "telemetry"), INSIGHTS),
)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role on a resource, with the rules that need it; none: the app itself does.

    `resource` is an ARM id, or the name of a parameter for a resource that infra/ creates. It is empty if the rules do
    not name the resource, and for a role of Synapse or of a subscription, which infra/ cannot assign.
    """

    role: Role
    resource: str
    rules: tuple[str, ...] = ()

    def view(self) -> dict[str, Any]:
        """The values of the JSON output."""
        role = self.role
        return {
            "role": role.name,
            "id": role.id,
            "resource": self.resource or None,
            "kind": str(role.scope),
            "where": role.where,
            "purpose": role.purpose,
            "optional": role.optional,
            "rules": list(self.rules),
        }


def assignments(rules: Rules) -> list[Assignment]:
    """The roles that valid rules and the app itself need, each resource and role once, in a stable order."""
    found: dict[tuple[str, str], Assignment] = {}
    needed = [(role, resource, "") for role, resource in _HOST]
    for rule in _rules(rules):
        roles = (*rule.handler.roles, *_roles_for_facts(rule), *_roles_for_states(rule))
        needed += [(role, resource, rule.name) for role in roles for resource in _on(role, rule, rules)]
    for demand in (*demands(rules), *reconciled(rules)):
        needed += [(demand.role, str(demand.workspace.id), name) for name in demand.rules]
    for role, resource, name in needed:
        key = (role.id, resource.casefold() or f"{role.scope} {role.where}")
        known = found.get(key, Assignment(role, resource))
        names = (*known.rules, name) if name and name not in known.rules else known.rules
        first = role if known.role.optional and not role.optional else known.role
        found[key] = Assignment(first, known.resource, names)
    return sorted(found.values(), key=lambda each: (not each.resource, bool(each.rules)))


def _rules(rules: Rules) -> Iterator[Rule]:
    yield from rules.by_name.values()
    if rules.alerts and (alerts := rules.get(ALERTS)):
        yield alerts


def _roles_for_facts(rule: Rule) -> Iterator[Role]:
    """The role to read what the service knows about the object of an event, of a rule that reads it.

    A message that the handler makes itself says what it can; conditions and templates need what they name.
    """
    if not any(event.facts for name in rule.on for event in EVENT_NAMES[name]) and not rule.after:
        return
    names = {name for template, _ in templates_of(rule.handler, frozenset()) for name in template.names}
    needs = any(isinstance(guard, Late) for guard in rule.guards) or not names.isdisjoint(FACT_NAMES)
    if needs or rule.handler.shows_events:
        purpose = f"{', '.join(FACT_NAMES)}: what Azure ML knows beside an event"
        yield WORKSPACE_READER.needed_for(purpose, optional=not needs)


def _roles_for_states(rule: Rule) -> Iterator[Role]:
    """The role to read the status of a run, of a rule that waits; of other objects, the record has the state."""
    waits = any(isinstance(guard, StillAfter) for guard in rule.guards)
    about_runs = any(issubclass(event, RunEvent) for name in rule.on for event in EVENT_NAMES[name])
    if waits and (about_runs or rule.after):
        yield WORKSPACE_READER.needed_for("still_after: the status of a run", optional=True)


def _on(role: Role, rule: Rule, rules: Rules) -> Iterator[str]:
    """The resources on which a rule needs a role of its handler: ARM ids, or "" for one that it does not name."""
    factory, synapse = (str(getattr(rule.handler, name, "")) for name in ("data_factory", "synapse"))
    match role.scope:
        case Scope.WORKSPACE:
            yield from () if factory or synapse else _workspaces(rule, rules)
        case Scope.DATA_FACTORY:
            yield from [factory] if factory else ()
        case Scope.SYNAPSE_WORKSPACE:
            yield from [""] if synapse else ()
        case Scope.COMMUNICATION_SERVICE:
            yield COMMUNICATION_SERVICE
        case Scope.WORKSPACE_STORAGE if factory or synapse:
            return
        case _:
            yield ""


def _workspaces(rule: Rule, rules: Rules) -> Iterator[str]:
    """Those of the rule's events, and its setting `workspace`, where alone a handler that starts runs does so."""
    target = getattr(rule.handler, "workspace", None)
    if target:
        yield str(target)
    if not target or not rule.handler.starts_runs:
        for workspace in rules.workspaces.named(rule.workspaces) if rules.workspaces else ():
            if isinstance(workspace.id, WorkspaceId):
                yield str(workspace.id)
