"""`check_in_template`: does a resource, as it stands in a template, have the shape of the published JSON Schema?

    python -m tests.kit.arm_schema Microsoft.EventGrid.json RESOURCE… > tests/kit/published/event_grid_arm.json

condenses a file of Azure/azure-resource-manager-schemas to some of its resources, without descriptions, and closes its
objects: the published schema takes any other members. Names of resources are those of the file, ``systemTopics``.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_FILE = Path(__file__).parent / "published" / "event_grid_arm.json"
_LOCAL, _EXPRESSION = "#/definitions/", "/definitions/expression"
_OF_EVERY_RESOURCE: dict[str, Any] = {"scope": {}, "dependsOn": {}, "condition": {}, "comments": {}}


def check_in_template(resource: Mapping[str, Any]) -> None:
    """Raises AssertionError if a resource of a template does not have the published shape."""
    schemas = _schemas()
    assert resource["type"] in schemas["resources"], f"{resource['type']} is no known type"
    validator = Draft202012Validator({**schemas["resources"][resource["type"]], "$defs": schemas["$defs"]})
    found = [f"{'/'.join(map(str, each.absolute_path))}: {each.message}" for each in validator.iter_errors(resource)]
    assert not found, found


@cache
def _schemas() -> Any:
    return json.loads(_FILE.read_text(encoding="utf-8"))


def _condensed(schema: Any) -> Any:
    """A published schema without descriptions, with closed objects."""
    if isinstance(schema, list):
        return [_condensed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if (reference := schema.get("$ref", "")) and isinstance(reference, str):
        name = "expression" if reference.endswith(_EXPRESSION) else reference.removeprefix(_LOCAL)
        return {"$ref": f"#/$defs/{name}"}
    found = {name: _condensed(each) for name, each in schema.items() if name not in ("description", "properties")}
    if members := schema.get("properties"):
        found["properties"] = {name: _condensed(each) for name, each in members.items()}
        found.setdefault("additionalProperties", False)
    return found


def _references(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return {name for each in schema for name in _references(each)}
    if not isinstance(schema, dict):
        return set()
    own = {str(schema["$ref"]).rpartition("/")[2]} if isinstance(schema.get("$ref"), str) else set()
    return own.union(*(_references(each) for each in schema.values()))


def main(arguments: Sequence[str]) -> None:
    """Print the condensed schemas of some resources."""
    published = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    resources: dict[str, Any] = {}
    for name in arguments[1:]:
        resource = _condensed(published["resourceDefinitions"][name])
        resource["properties"] |= _OF_EVERY_RESOURCE
        resources[resource["properties"]["type"]["enum"][0]] = resource
    # "Template syntax and expressions": in brackets; "[[" begins a text that begins with a bracket.
    definitions: dict[str, Any] = {"expression": {"type": "string", "pattern": r"^\[([^\[].*)?\]$"}}
    wanted = _references(resources)
    while missing := wanted - set(definitions):
        definitions |= {name: _condensed(published["definitions"][name]) for name in missing}
        wanted |= _references(definitions)
    json.dump({"resources": resources, "$defs": dict(sorted(definitions.items()))}, sys.stdout, separators=(",", ":"))


if __name__ == "__main__":
    main(sys.argv[1:])
