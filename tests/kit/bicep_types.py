"""`check_resource`: is a resource what Microsoft's published types say? For Bicep and for templates alike.

    python -m tests.kit.bicep_types TYPE@VERSION… --from types.json… > tests/kit/published/resources.json

condenses files of Azure/bicep-types-az to JSON Schemas that take no other members, and none that are read-only. Bicep
has no type for numbers with a fraction, so its integers are numbers here.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_FILE = Path(__file__).parent / "published" / "resources.json"
_REQUIRED, _READ_ONLY = 1, 2
_SIMPLE = {"StringType": "string", "IntegerType": "number", "BooleanType": "boolean"}
_ADDED = ("id", "systemData", "asserts", "eTag")


def check_resource(resource: Mapping[str, Any]) -> None:
    """Raises AssertionError if a resource, with its `type` and `apiVersion`, does not have the published shape."""
    schemas = _schemas()
    name = f"{resource['type']}@{resource['apiVersion']}"
    assert name in schemas["resources"], f"{name} is no known type"
    validator = Draft202012Validator({**schemas["resources"][name], "$defs": schemas["$defs"]})
    found = [
        f"{'/'.join(map(str, each.absolute_path))}: {each.message}" for each in validator.iter_errors(dict(resource))
    ]
    assert not found, found


@cache
def _schemas() -> Any:
    return json.loads(_FILE.read_text(encoding="utf-8"))


class _Types:
    """The types of one file, and the schemas of those that were asked for."""

    def __init__(self, types: Sequence[Mapping[str, Any]], prefix: str) -> None:
        self._types, self._prefix = types, prefix
        self.schemas: dict[str, Any] = {}

    def of(self, reference: Mapping[str, str]) -> dict[str, Any]:
        """The schema of a type; of an object, a reference to it."""
        index = int(reference["$ref"].rpartition("/")[2])
        found = self._types[index]
        match found["$type"]:
            case "StringLiteralType":
                return {"const": found["value"]}
            case "UnionType":
                inner = [self.of(each) for each in found["elements"]]
                return (
                    {"enum": [each["const"] for each in inner]}
                    if all("const" in i for i in inner)
                    else {"anyOf": inner}
                )
            case "ArrayType":
                return {"type": "array", "items": self.of(found["itemType"])}
            case "AnyType":
                return {}
            case "ObjectType" | "DiscriminatedObjectType":
                name = f"{self._prefix}{index}"
                if name not in self.schemas:
                    self.schemas[name] = {}
                    self.schemas[name] = self._object(found)
                return {"$ref": f"#/$defs/{name}"}
        limits = {name: found[name] for name in ("minLength", "maxLength", "pattern") if name in found}
        return {"type": _SIMPLE[found["$type"]], **limits}

    def _object(self, found: Mapping[str, Any]) -> dict[str, Any]:
        if found["$type"] == "DiscriminatedObjectType":
            return {"oneOf": [self._variant(found["baseProperties"], each) for each in found["elements"].values()]}
        return self._members(found["properties"], found.get("additionalProperties"))

    def _variant(self, base: Mapping[str, Any], reference: Mapping[str, str]) -> dict[str, Any]:
        inner = self._types[int(reference["$ref"].rpartition("/")[2])]
        return self._members({**base, **inner["properties"]}, None)

    def _members(self, members: Mapping[str, Any], others: Mapping[str, str] | None) -> dict[str, Any]:
        wanted = {
            name: each
            for name, each in members.items()
            if name in ("type", "apiVersion") or not (each["flags"] & _READ_ONLY or name in _ADDED)
        }
        required = [name for name, each in wanted.items() if each["flags"] & _REQUIRED and name not in ("type",)]
        return {
            "type": "object",
            "properties": {name: self.of(each["type"]) for name, each in wanted.items()},
            "additionalProperties": self.of(others) if others else False,
            **({"required": required} if required else {}),
        }


def main(arguments: Sequence[str]) -> None:
    """Print the condensed schemas of some resource types."""
    split = arguments.index("--from")
    resources: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for number, path in enumerate(arguments[split + 1 :]):
        raw = json.loads(Path(path).read_text(encoding="utf-8"))
        types = _Types(raw, f"t{number}_")
        for each in raw:
            if each["$type"] == "ResourceType" and each["name"] in arguments[:split]:
                resources[each["name"]] = types.of(each["body"])
        definitions |= types.schemas
    json.dump({"resources": resources, "$defs": definitions}, sys.stdout, separators=(",", ":"))


if __name__ == "__main__":
    main(sys.argv[1:])
