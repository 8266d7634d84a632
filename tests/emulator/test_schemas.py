"""The schemas as data, and the script that condenses the published one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import emulator.schemas
from emulator.schemas.condense import BODIES, Condenser

FOLDER = Path(emulator.schemas.__file__).parent
EXPRESSION = {"$ref": "https://schema.management.azure.com/schemas/common/definitions.json#/definitions/expression"}


def load(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def references(schema: Any) -> Iterator[str]:
    """The definitions that a schema refers to."""
    if isinstance(schema, dict):
        mapping = schema.get("mapping", {}) if "propertyName" in schema else {}
        for reference in (schema.get("$ref"), *mapping.values()):
            if isinstance(reference, str):
                yield reference.removeprefix("#/$defs/")
        schema = list(schema.values())
    for one in schema if isinstance(schema, list) else ():
        yield from references(one)


def test_every_reference_has_its_definition() -> None:
    published, additions, requests = load("published"), load("additions"), load("requests")
    new = {"ModelDeploymentConfiguration"}  # the only one that additions define
    known = {*published["$defs"], *requests["$defs"], *new}
    assert set(references([published, additions, requests])) <= known
    assert {name for addition in additions for name in addition["to"]} <= known
    assert set(BODIES) <= set(published["$defs"])


def union(**own: Any) -> dict[str, Any]:
    """A published union of the kinds Managed, with its own members, and Kubernetes, with none."""
    base = {"properties": {"kind": {"enum": ["Managed", "Kubernetes"]}, "note": {"type": "string"}}, "type": "object"}
    kinds = [
        {"allOf": [{"$ref": f"#/definitions/{name}"}, {"properties": {"kind": {"const": name}}}]}
        for name in ("Managed", "Kubernetes")
    ]
    return {
        "Kind": {"allOf": [base, {"oneOf": kinds}]},
        "Managed": {"properties": own, "required": ["kind"], "type": "object"},
        "Kubernetes": {"properties": {"kind": {"enum": ["Kubernetes"], "type": "string"}}, "type": "object"},
    }


def test_condensing_drops_descriptions_expressions_and_members_of_templates() -> None:
    properties = {
        "apiVersion": {"type": "string"},
        "tags": {
            "oneOf": [{"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}, EXPRESSION]
        },
        "names": {"oneOf": [{"type": "array", "items": {"type": "string", "description": "A name."}}, EXPRESSION]},
        "mode": {"enum": ["A", "B"], "type": "string"},
        "size": {"oneOf": [{"type": "integer"}, EXPRESSION]},
        "path": {"type": "string", "minLength": 1, "pattern": "[a-z]"},
    }
    resource = {"properties": properties, "required": ["apiVersion", "mode"], "type": "object"}
    assert Condenser({"resourceDefinitions": {"things": resource}, "definitions": {}}).body("things") == {
        "type": "object",
        "required": ["mode"],
        "properties": {
            "tags": {"type": "object", "additionalProperties": {"type": "string"}},
            "names": {"type": "array", "items": {"type": "string"}},
            "mode": {"enum": ["A", "B"]},
            "size": {"type": "integer", "format": "int32"},
            "path": {"type": "string", "pattern": "[a-z]"},
        },
        "additionalProperties": False,
    }


def test_condensing_turns_a_union_into_a_discriminator() -> None:
    resource = {"properties": {"properties": {"$ref": "#/definitions/Kind"}}, "type": "object"}
    condenser = Condenser({"resourceDefinitions": {"things": resource}, "definitions": union(size={"type": "number"})})
    assert condenser.body("things")["properties"] == {"properties": {"$ref": "#/$defs/Kind"}}
    mapping = {"Managed": "#/$defs/Managed", "Kubernetes": "#/$defs/Kubernetes"}
    assert condenser.definitions["Kind"] == {
        "type": "object",
        "discriminator": {"propertyName": "kind", "mapping": mapping},
    }
    assert condenser.definitions["Managed"]["required"] == ["kind"]
    assert list(condenser.definitions["Managed"]["properties"]) == ["kind", "note", "size"]
    assert list(condenser.definitions["Kubernetes"]["properties"]) == ["kind", "note"]
