"""Microsoft's published types of resources, condensed to the types that infra/ uses.

``python -m tests.infra.published FOLDER`` writes tests/kit/published/bicep.json from a copy of Azure/bicep-types-az.
"""

import json
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

CONDENSED = Path(__file__).parents[1] / "kit" / "published" / "bicep.json"
INFRA = Path(__file__).parents[2] / "infra"
REQUIRED, READ_ONLY = 1, 2  # the flags of a property
_RESOURCE = re.compile(r"^\s*resource \w+ '([^']+@[^']+)'", re.MULTILINE)
_FOLDERS = {  # of generated/, by the namespace of the resource type
    "microsoft.authorization": ("authorization",),
    "microsoft.communication": ("communication",),
    "microsoft.eventgrid": ("eventgrid",),
    "microsoft.insights": ("applicationinsights", "monitor_1"),
    "microsoft.managedidentity": ("msi",),
    "microsoft.network": ("network", "privatedns"),
    "microsoft.operationalinsights": ("operationalinsights",),
    "microsoft.resources": ("resources_7", "resources_11"),
    "microsoft.storage": ("storage",),
    "microsoft.web": ("web",),
}


@cache
def published() -> dict[str, Any]:
    """`resources`: the number of each resource's type, by its name in lower case; `types`: the types by number."""
    found: dict[str, Any] = json.loads(CONDENSED.read_text(encoding="utf-8"))
    return found


def resources_of(files: Iterable[Path]) -> set[str]:
    """The types of resources that Bicep files declare, with their API versions."""
    return {name for file in files for name in _RESOURCE.findall(file.read_text(encoding="utf-8"))}


def condense(names: set[str], source: Path) -> dict[str, Any]:
    """The types that these resources need, with their numbers in one list.

    Descriptions are omitted, and so are the types of properties that only the service writes.
    """
    types: list[Any] = [{"$type": "AnyType"}]
    resources: dict[str, int] = {}
    for name in sorted(names):
        namespace, version = name.partition("/")[0].lower(), name.partition("@")[2]
        for folder in _FOLDERS[namespace]:
            file = source / "generated" / folder / namespace / version / "types.json"
            everything = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
            for found in everything:
                if found["$type"] == "ResourceType" and found["name"].lower() == name.lower():
                    body = _copy(everything, found["body"], types, {})
                    types.append({"$type": "ResourceType", "body": body, "scopes": found["writableScopes"]})
                    resources[name.lower()] = len(types) - 1
    assert len(resources) == len(names), names - resources.keys()
    return {"resources": resources, "types": types}


def _copy(source: list[Any], ref: dict[str, str], types: list[Any], known: dict[str, int]) -> int:
    """Copy a type with those that it refers to; returns its number."""
    if ref["$ref"] not in known:
        number = known[ref["$ref"]] = len(types)
        types.append(None)
        types[number] = _plain(source[int(ref["$ref"].rpartition("/")[2])], source, types, known)
    return known[ref["$ref"]]


def _plain(node: Any, source: list[Any], types: list[Any], known: dict[str, int]) -> Any:
    if isinstance(node, dict):
        if "$ref" in node:
            return _copy(source, node, types, known)
        if node.get("flags", 0) & READ_ONLY:
            return {"type": 0, "flags": node["flags"]}
        texts = {key for key, value in node.items() if key == "description" and isinstance(value, str)}
        return {key: _plain(value, source, types, known) for key, value in node.items() if key not in texts}
    return [_plain(each, source, types, known) for each in node] if isinstance(node, list) else node


if __name__ == "__main__":
    text = json.dumps(
        condense(resources_of([*INFRA.glob("*.bicep"), *INFRA.glob("modules/*.bicep")]), Path(sys.argv[1])),
        separators=(",", ":"),
    )
    CONDENSED.write_text(text + "\n", encoding="utf-8")
