"""Condense a published schema of ARM templates to the bodies that the emulator checks.

    python -m emulator.schemas.condense Microsoft.MachineLearningServices.json > emulator/schemas/published.json

The file comes from Azure/azure-resource-manager-schemas, schemas/<api-version>. The result has no
descriptions, no template expressions in place of values, and no resources that the emulator does not serve. A union of
kinds that one member distinguishes becomes a `discriminator` as in OpenAPI; objects take no other properties.
"""

import json
import sys
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

BODIES = {  # the name of a body -> the published resource
    "online_endpoint": "workspaces_onlineEndpoints",
    "online_deployment": "workspaces_onlineEndpoints_deployments",
    "batch_endpoint": "workspaces_batchEndpoints",
    "batch_deployment": "workspaces_batchEndpoints_deployments",
    "model_container": "workspaces_models",
    "model": "workspaces_models_versions",
    "environment_container": "workspaces_environments",
    "environment": "workspaces_environments_versions",
    "code_container": "workspaces_codes",
    "code": "workspaces_codes_versions",
    "data_container": "workspaces_data",
    "data": "workspaces_data_versions",
    "component_container": "workspaces_components",
    "component": "workspaces_components_versions",
    "job": "workspaces_jobs",
}
_OPEN = frozenset({"Webhook"})  # definitions of which the emulator checks nothing
_OF_TEMPLATES = frozenset({"apiVersion", "name", "type", "resources"})  # members of a template, not of a body
_SCALAR = ("type", "pattern")  # of a scalar; the published lengths follow from the patterns
_LOCAL = "#/definitions/"


class Condenser:
    """Condenses one published file; `definitions` collects what the bodies refer to."""

    def __init__(self, published: Schema) -> None:
        self._published = published
        self.definitions: Schema = {}

    def body(self, resource: str) -> Schema:
        """The body of a PUT of a resource."""
        found = self._published["resourceDefinitions"][resource]
        return self._object(found, leave_out=_OF_TEMPLATES)

    def _schema(self, published: Schema) -> Schema:
        options = [one for one in published.get("oneOf", ()) if not one.get("$ref", "").endswith("/expression")]
        if options:
            [only] = options
            return self._schema(only)
        if "$ref" in published:
            return self._reference(published["$ref"].removeprefix(_LOCAL))
        if published.get("type") == "object":
            return self._object(published)
        if published.get("type") == "array":
            return {"type": "array", "items": self._schema(published["items"])}
        if "enum" in published:
            return {"enum": published["enum"]}
        scalar = {name: published[name] for name in _SCALAR if name in published}
        return {**scalar, "format": "int32"} if scalar.get("type") == "integer" else scalar

    def _reference(self, name: str) -> Schema:
        if name in _OPEN:
            return {}
        if name not in self.definitions:
            self.definitions[name] = {}  # a placeholder, for definitions that refer to themselves
            published = self._published["definitions"][name]
            self.definitions[name] = self._union(published) if "allOf" in published else self._schema(published)
        return {"$ref": f"#/$defs/{name}"}

    def _object(self, published: Schema, leave_out: frozenset[str] = frozenset()) -> Schema:
        members = {name: self._schema(one) for name, one in published["properties"].items() if name not in leave_out}
        if not members:
            values = published.get("additionalProperties")
            return {"type": "object", "additionalProperties": self._schema(values)} if values else {"type": "object"}
        required = [name for name in published.get("required", ()) if name not in leave_out]
        return {"type": "object", "required": required, "properties": members, "additionalProperties": False}

    def _union(self, published: Schema) -> Schema:
        """A union of kinds: a base with the common members, one of which names the kind, and the kinds' own members."""
        base, kinds = published["allOf"]
        mapping: dict[str, str] = {}
        for option in kinds["oneOf"]:
            reference, kind = option["allOf"]
            [(member, value)] = kind["properties"].items()
            name = reference["$ref"].removeprefix(_LOCAL)
            own = self._published["definitions"][name]
            required = dict.fromkeys([*base.get("required", ()), *own.get("required", ())])
            self.definitions[name] = self._object(
                {**own, "properties": {**base["properties"], **own["properties"]}, "required": list(required)}
            )
            mapping[value["const"]] = f"#/$defs/{name}"
        return {"type": "object", "discriminator": {"propertyName": member, "mapping": mapping}}


def condense(published: Schema) -> Schema:
    """The bodies by name, and their definitions."""
    condenser = Condenser(published)
    bodies = {name: condenser.body(resource) for name, resource in BODIES.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"Condensed from {published['id']}, Azure/azure-resource-manager-schemas, MIT: see LICENSE.",
        "$defs": {**bodies, **dict(sorted(condenser.definitions.items()))},
    }


def text(schema: Schema) -> str:
    """A schema as JSON, with one definition a line."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in schema["$defs"].items())
    head = "".join(f" {json.dumps(name)}: {json.dumps(schema[name])},\n" for name in ("$schema", "$comment"))
    return f'{{\n{head} "$defs": {{\n{lines}\n }}\n}}'


if __name__ == "__main__":
    print(text(condense(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
