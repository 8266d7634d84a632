"""The subscriptions as an ARM template: nested deployments into the resource groups of the workspaces.

Sources: "Using linked and nested templates when deploying Azure resources" (an inner template evaluates its own
expressions), and "Template functions: reference", which only ``properties`` and outputs may use: so the region of a
workspace is an argument of the nested template.
"""

import json
from itertools import zip_longest
from typing import Any

from mlevents.subscriptions.deployment import (
    Call,
    Deployment,
    Existing,
    Joined,
    LocationOf,
    Module,
    Output,
    Parameter,
    PrincipalOf,
    Resource,
    Segment,
    deployments,
    parameters,
)
from mlevents.subscriptions.model import Plan

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
DEPLOYMENTS, VERSION = "Microsoft.Resources/deployments", "2022-09-01"


def template(plan: Plan) -> dict[str, Any]:
    """The template. It is deployed into any resource group, with rights on those of the workspaces."""
    given = parameters(plan.delivery).items()
    found: dict[str, Any] = {"$schema": SCHEMA, "contentVersion": "1.0.0.0"}
    notes = [f"{each.workspace}: {note}" for each in plan.subscriptions for note in each.notes]
    if plan.notes or notes:
        found["metadata"] = {"notes": [_text(note) for note in (*plan.notes, *notes)]}
    found["parameters"] = {
        name: {"type": "string", **({"defaultValue": _text(value)} if value else {})} for name, value in given
    }
    found["resources"] = [_nested(each) for each in deployments(plan)]
    return found


def as_text(plan: Plan) -> str:
    """The template as JSON."""
    return json.dumps(template(plan), indent=2, ensure_ascii=False)


def _nested(deployment: Deployment) -> dict[str, Any]:
    after = [f"[{_id_of(each)}]" for each in deployment.after]
    return {
        "type": DEPLOYMENTS,
        "apiVersion": VERSION,
        "name": deployment.name,
        "subscriptionId": _value(deployment.subscription),
        "resourceGroup": _value(deployment.resource_group),
        **({"dependsOn": after} if after else {}),
        "properties": {
            "mode": "Incremental",
            "expressionEvaluationOptions": {"scope": "inner"},
            "parameters": {name: {"value": _value(value)} for name, value in deployment.arguments.items()},
            "template": _inner(deployment.module),
        },
    }


def _id_of(deployment: Deployment) -> str:
    group = Joined(("/subscriptions/", deployment.subscription, "/resourceGroups/", deployment.resource_group))
    return _expression(Call("extensionResourceId", (group, DEPLOYMENTS, deployment.name)))


def _inner(module: Module) -> dict[str, Any]:
    found: dict[str, Any] = {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": {name: {"type": type} for name, type in module.parameters.items()},
        "resources": [_resource(each) for each in module.resources],
    }
    if module.outputs:
        found["outputs"] = {name: {"type": "string", "value": _value(each)} for name, each in module.outputs.items()}
    return found


def _resource(resource: Resource) -> dict[str, Any]:
    within, name = resource.within, resource.name
    if within and not resource.extends:
        name = Joined((*(part for outer in within.names for part in (outer, "/")), name))
    scope = {"scope": _value(_path(within))} if within and resource.extends else {}
    body = {key: _value(value) for key, value in resource.body.items()}
    return {"type": resource.type, "apiVersion": resource.version, **scope, "name": _value(name), **body}


def _path(existing: Existing) -> Joined:
    """Microsoft.Storage/storageAccounts/NAME/queueServices/default/…"""
    provider, first, *types = existing.type.split("/")
    parts: list[Any] = [f"{provider}/{first}/"]
    for name, type in zip_longest(existing.names, types):
        parts += [name, f"/{type}/"] if type else [name]
    return Joined(tuple(parts))


def _value(value: Any) -> Any:
    """A value of a template."""
    match value:
        case str():
            return _text(value)
        case dict():
            return {name: _value(inner) for name, inner in value.items()}
        case list():
            return [_value(inner) for inner in value]
        case bool() | int() | float():
            return value
    return f"[{_expression(value)}]"


def _text(text: str) -> str:
    """A text that is no expression ("Understand the structure and syntax of ARM templates", escape characters)."""
    return f"[{text}" if text.startswith("[") and text.endswith("]") else text


def _expression(value: Any) -> str:
    """An expression, or a text as a part of one."""
    match value:
        case Parameter():
            return f"parameters({_expression(value.name)})"
        case Joined():
            return _expression(Call("concat", value.parts))
        case Call():
            return f"{value.function}({', '.join(_expression(each) for each in value.arguments)})"
        case Segment():
            return f"split({_expression(value.id)}, '/')[{value.index}]"
        case LocationOf():
            return f"{_expression(Call('reference', (str(value.source), value.source.api_version, 'full')))}.location"
        case Output():
            return f"reference({_id_of(value.deployment)}, '{VERSION}').outputs.{value.name}.value"
        case PrincipalOf():
            resource = value.resource
            id = Call("resourceId", (resource.type, resource.name))
            return f"{_expression(Call('reference', (id, resource.version, 'full')))}.identity.principalId"
    return "'" + str(value).replace("'", "''") + "'"
