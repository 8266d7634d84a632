"""Check Bicep files without its compiler: syntax, symbols, modules, and Microsoft's published types of resources.

`check` returns a line for each fault. It is stricter than the compiler about enums, for which the compiler may only
warn, and knows less: it does not compute expressions. pycep drops quotation marks, so a text that equals a symbol's
name counts as the symbol. Like the compiler, it accepts any property on the line after ``#disable-next-line BCP037``.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pycep import BicepParser

from tests.infra.published import READ_ONLY, REQUIRED, published

MAX_LINES = 99
SCOPES = {"tenant": 1, "managementGroup": 2, "subscription": 4, "resourceGroup": 8}  # bits of `scopes` of a resource
EXTENSION = 16
_PARSER = BicepParser()
_WORDS = {"true", "false", "null", "if", "for", "in", "existing", "param", "var", "resource", "module", "output"}
_TYPES = {"string", "int", "bool", "object", "array", "targetScope"}
_FUNCTIONS = {
    *("concat", "contains", "empty", "environment", "filter", "guid", "json", "last", "replace", "resourceGroup"),
    *("split", "subscription", "subscriptionResourceId", "take", "tenant", "toLower", "union", "uniqueString"),
}
_INTERPOLATION = re.compile(r"(?<!\\)\$\{((?:[^}']|'[^']*')*)\}")
_LEXEME = re.compile(rf"//[^\n]*|#disable[^\n]*|'(?:\\.|{_INTERPOLATION.pattern}|[^'\\])*'")
_NAME = re.compile(r"(?<![\w.?@!'])@?[A-Za-z_]\w*(?!\w*:)")
_OUTPUT = re.compile(r"\b(\w+)!?\.outputs\.(\w+)")
_PROPERTY = re.compile(r"\b(\w+)\.properties\.(\w+)")
_EXEMPT = re.compile(r"#disable-next-line BCP037\n\s*(\w+):")
_SECRET = re.compile(r"secret|password|connectionString|sas|token|appSettings|settings$", re.IGNORECASE)


@dataclass
class BicepFile:
    """A parsed file, and what its modules and resources are."""

    path: Path
    text: str
    tree: Mapping[str, Any]
    exempt: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path) -> "BicepFile":
        """Raises lark's UnexpectedInput for a syntax error."""
        text = path.read_text(encoding="utf-8")
        return cls(path, text, _PARSER.parse(text=text), set(_EXEMPT.findall(text)))

    def part(self, name: str) -> Mapping[str, Any]:
        """Its parameters, variables, resources, modules or outputs, by name."""
        found: Mapping[str, Any] = self.tree.get(name, {})
        return found

    @property
    def scope(self) -> str:
        return str(self.tree.get("globals", {}).get("scope", {}).get("value", "resourceGroup"))

    @property
    def symbols(self) -> set[str]:
        loops = re.findall(r"\bfor \(?(\w+)(?:, (\w+)\))? in", self.text)
        parts = ("parameters", "variables", "resources", "modules")
        return {name for part in parts for name in self.part(part)} | {name for loop in loops for name in loop if name}

    def code(self) -> str:
        """The text without comments and strings, but with the expressions in strings."""
        return _without_strings(self.text)


def _without_strings(text: str) -> str:
    def expressions(found: re.Match[str]) -> str:
        return "" if found[0][0] in "/#" else " ".join(map(_without_strings, _INTERPOLATION.findall(found[0])))

    return _LEXEME.sub(expressions, text)


def check(path: Path) -> list[str]:
    """The faults of a file, and of how it calls its modules; not those within its modules."""
    try:
        file = BicepFile.read(path)
    except Exception as error:  # lark has no common one for parsers and lexers that pycep would not wrap
        return [f"syntax: {' '.join(str(error).split())[:120]}"]
    return [f"{path.name}: {fault}" for fault in [*_text(file), *_symbols(file), *_modules(file), *_resources(file)]]


def _text(file: BicepFile) -> Iterator[str]:
    lines = file.text.splitlines()
    if len(lines) > MAX_LINES and file.path.parent.name != "generated":
        yield f"has more than {MAX_LINES} lines"
    if two := re.search(
        r"^[^/\n]*[\w'\])}]['\])} ] *\b(?:param|var|resource|module|output) \w+ .*$", file.text, re.MULTILINE
    ):
        yield f"two statements are on one line: {two[0]}"
    for place in re.findall(r"^\s*location: (.*)$", file.text, re.MULTILINE):
        if place not in ("location", "'global'"):
            yield f"the location {place} is neither the parameter nor 'global'"
    for name, parameter in file.part("parameters").items():
        secure = "secure" in {decorator["type"] for decorator in parameter["decorators"]}
        if _SECRET.search(name) and not secure:
            yield f"the parameter {name} is not @secure()"


def _symbols(file: BicepFile) -> Iterator[str]:
    code = file.code()
    declared = re.sub(r"\b(?:param|var|resource|module|output) \w+|(?<=\bin )(\w+):", r" \1 ", code)
    used = {name for name in _NAME.findall(declared) if not name.startswith("@")}
    for name in sorted(used - file.symbols - _WORDS - _TYPES - _FUNCTIONS):
        yield f"the symbol {name} is not declared"
    for part in ("parameters", "variables"):
        for name in sorted(file.part(part).keys() - used):
            yield f"{name} is not used"


def _modules(file: BicepFile) -> Iterator[str]:
    outputs: dict[str, set[str]] = {}
    for name, module in file.part("modules").items():
        path, config = file.path.parent / module["detail"]["path"], _config(module["config"])
        if not path.exists():
            yield f"the module {name} is no file: {path.name}"
            continue
        required, optional, outputs[name], scope = _interface(path)
        given = set(config.get("params", {}))
        yield from (f"{path.name} has no parameter {each}" for each in sorted(given - required - optional))
        yield from (f"{path.name} needs the parameter {each}" for each in sorted(required - given))
        if scope not in (file.scope, "any") and "scope" not in config:
            yield f"the module {name} is for a {scope}: it needs a scope"
    for module, output in _OUTPUT.findall(file.code()):
        if output not in outputs.get(module, ()):
            yield f"{module} has no output {output}"
    for name, theirs in outputs.items():
        read = {output for module, output in _OUTPUT.findall(file.code()) if module == name}
        yield from (f"the output {output} of {name} is not used" for output in sorted(theirs - read))


def _interface(path: Path) -> tuple[set[str], set[str], set[str], str]:
    """The required and the optional parameters of a module, its outputs, and its scope."""
    if path.suffix == ".json":
        parameters = json.loads(path.read_text(encoding="utf-8"))["parameters"]
        required = {name for name, parameter in parameters.items() if "defaultValue" not in parameter}
        return required, parameters.keys() - required, set(), "resourceGroup"
    module = BicepFile.read(path)
    required = {name for name, parameter in module.part("parameters").items() if parameter.get("default") is None}
    return required, module.part("parameters").keys() - required, set(module.part("outputs")), module.scope


def _config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body of a resource or a module, within its condition or its loop."""
    while isinstance(config.get("config"), Mapping):
        config = config["config"]
    return config


def _resources(file: BicepFile) -> Iterator[str]:
    bodies: dict[str, int] = {}
    for name, resource in file.part("resources").items():
        kind = f"{resource['type']}@{resource['api_version']}"
        number = published()["resources"].get(kind.lower())
        if number is None:
            yield f"{kind} is not among the published types"
            continue
        body, config = published()["types"][number], dict(_config(resource["config"]))
        bodies[name] = body["body"]
        nested = kind.count("/") > 1 and "/" not in str(config["name"])
        if nested and "parent" not in config:
            yield f"{name} has no parent"
        if resource["existing"]:
            continue
        if not body["scopes"] & (SCOPES[file.scope] | EXTENSION):
            yield f"{kind} cannot be deployed to a {file.scope}"
        for meta in ("parent", "scope", "dependsOn", "depends_on"):
            config.pop(meta, None)
        yield from Values(file, name).check(config, body["body"], name)
    for name, property in _PROPERTY.findall(file.code()):
        if name in bodies and property not in _properties(_properties(bodies[name])["properties"]["type"]):
            yield f"{name} has no property {property}"


@cache
def _type(number: int) -> Mapping[str, Any]:
    found: Mapping[str, Any] = published()["types"][number]
    return found


def _properties(number: int) -> Mapping[str, Any]:
    """The properties of an object's type; of each variant, if there are several."""
    type = _type(number)
    variants = (_properties(each) for each in type.get("elements", {}).values()) if "baseProperties" in type else ()
    found = {**type.get("baseProperties", {}), **type.get("properties", {})}
    return found | {name: each for variant in variants for name, each in variant.items()}


@dataclass(frozen=True)
class Values:
    """The check of values against types. `where` names the resource."""

    file: BicepFile
    where: str

    def check(self, value: Any, number: int, path: str) -> Iterator[str]:
        """The faults of a value."""
        type, kind = _type(number), _type(number)["$type"]
        if isinstance(value, Mapping):  # pycep keeps the quotation marks of keys
            value = {name.strip("'"): inner for name, inner in value.items()}
        node = set(value) if isinstance(value, Mapping) else set()
        if node == {"operator"}:
            for branch in _branches(value["operator"]["operands"]):
                yield from self.check(branch, number, path)
        elif value is None or kind == "AnyType" or node == {"function"}:
            return
        elif "loop_type" in node:
            yield from self.check([value["config"]], number, path)
        elif isinstance(value, str) and (value in self.file.symbols or "${" in value):
            yield from self._of_parameter(value, type, path)
        elif kind == "DiscriminatedObjectType":
            yield from self._variant(value, type, path)
        elif kind == "ObjectType":
            yield from self._object(value, type, path) if isinstance(value, Mapping) else [f"{path} is no object"]
        elif kind == "ArrayType":
            items = value if isinstance(value, list) else []
            yield from [] if isinstance(value, list) else [f"{path} is no array"]
            for index, item in enumerate(items):
                yield from self.check(item, type["itemType"], f"{path}[{index}]")
        else:
            yield from _scalar(value, type, path)

    def _of_parameter(self, value: str, type: Mapping[str, Any], path: str) -> Iterator[str]:
        """A parameter with @allowed values must have those of the type."""
        decorators = self.file.part("parameters").get(value, {}).get("decorators", ())
        for decorator in decorators:
            if decorator["type"] == "allowed":
                for each in decorator["argument"]:
                    yield from _scalar(each, type, path)

    def _variant(self, value: Any, type: Mapping[str, Any], path: str) -> Iterator[str]:
        key = type["discriminator"]
        chosen = value.get(key) if isinstance(value, Mapping) else None
        if chosen not in type["elements"]:
            yield f"{path}.{key} is {chosen!r}, not one of {', '.join(type['elements'])}"
            return
        inner = _type(type["elements"][chosen])
        yield from self._object(value, {**inner, "properties": {**type["baseProperties"], **inner["properties"]}}, path)

    def _object(self, value: Mapping[str, Any], type: Mapping[str, Any], path: str) -> Iterator[str]:
        known, others = type["properties"], type.get("additionalProperties")
        for name, inner in value.items():
            if name in known:
                if known[name]["flags"] & READ_ONLY:
                    yield f"{path}.{name} is read-only"
                yield from self.check(inner, known[name]["type"], f"{path}.{name}")
            elif others is not None:
                yield from self.check(inner, others, f"{path}.{name}")
            elif name not in self.file.exempt:
                yield f"{path} has no property {name}"
        for name, property in known.items():
            if property["flags"] & REQUIRED and name not in value:
                yield f"{path}.{name} is required"


def _branches(operands: Mapping[str, Any]) -> Iterator[Any]:
    """The results of a conditional expression. For pycep, ``a == b ? c : d`` compares a with a conditional one."""
    last = operands.get("operand_2")
    if "condition" in operands:
        yield from (operands["true_value"], operands["false_value"])
    elif isinstance(last, Mapping) and "operator" in last:
        yield from _branches(last["operator"]["operands"])


def _scalar(value: Any, type: Mapping[str, Any], path: str) -> Iterable[str]:
    kind = type["$type"]
    if kind == "UnionType":
        literals = [_type(each)["value"] for each in type["elements"] if "value" in _type(each)]
        return [] if value in literals or not literals else [f"{path} is {value!r}, not one of {', '.join(literals)}"]
    if kind == "StringLiteralType":
        return [] if value == type["value"] else [f"{path} is {value!r}, not {type['value']}"]
    expected = {"StringType": str, "IntegerType": int, "BooleanType": bool}.get(kind)
    fits = expected is None or (isinstance(value, expected) and (expected is bool or not isinstance(value, bool)))
    if fits and kind == "StringType" and not re.search(type.get("pattern", ""), value):
        return [f"{path} is {value!r}, not {type['pattern']}"]
    return [] if fits else [f"{path} is {value!r}: not the type {kind}"]
