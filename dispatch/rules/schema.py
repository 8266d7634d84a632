"""JSON Schemas of rules files and of workspaces.yaml, for editors.

They are generated from the models that check the files. They accept every valid file, and the text ``${RULES_…}``
wherever a text is allowed. They import the built-in handlers.
"""

import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from dispatch.rules.models import RulesFile, WorkspacesFile
from handlers import builtin, find

_DIALECT = "http://json-schema.org/draft-07/schema#"  # which yaml-language-server supports
_SETTING = {"type": "string", "pattern": r"\$\{RULES_[A-Za-z0-9_]+\}"}
_CLASS = {"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$"}  # package.module:Class
_SCALAR = {"type": ["string", "number", "boolean"]}


def rules_schema() -> dict[str, Any]:
    """The JSON Schema of a rules file."""
    return _schema(RulesFile)


def workspaces_schema() -> dict[str, Any]:
    """The JSON Schema of rules/workspaces.yaml."""
    return _schema(WorkspacesFile)


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a file that names no handler, from its model."""
    found = GenerateJsonSchema(ref_template="#/$defs/{model}").generate(model.__pydantic_core_schema__)
    return {"$schema": _DIALECT, **_cleaned(found)}


SCHEMAS = {"rules.schema.json": rules_schema, "workspaces.schema.json": workspaces_schema}  # files in docs/schemas


def as_text(schema: dict[str, Any]) -> str:
    """The content of a schema's file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


class _Generator(GenerateJsonSchema):
    """Accepts what pydantic reads from a text, and any single value where a handler's own validator comes first."""

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        return _or_setting(super().bool_schema(schema), strict=schema.get("strict"))

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return _or_setting(super().int_schema(schema), strict=schema.get("strict"))

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return _or_setting(super().float_schema(schema), strict=schema.get("strict"))

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        found = super().function_before_schema(schema)
        ours = str(getattr(schema["function"]["function"], "__module__", "")).startswith("dispatch.")
        return found if ours or "json_schema_input_schema" in schema else {"anyOf": [found, _SCALAR]}


def _or_setting(schema: JsonSchemaValue, *, strict: bool | None = False) -> JsonSchemaValue:
    return schema if strict else {"anyOf": [schema, _SETTING]}


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    handlers = {name: find(name) for name in builtin()}
    models = [(each, "validation") for each in (model, *handlers.values())]
    refs, combined = models_json_schema(models, schema_generator=_Generator)  # type: ignore[arg-type]
    definitions = {name: _cleaned(definition) for name, definition in combined["$defs"].items()}
    for definition in definitions.values():
        if "do" in definition.get("properties", {}):
            names = [{"enum": [*handlers]}, _CLASS, _SETTING]
            definition["properties"]["do"] = {**_without(definition["properties"]["do"], "type"), "anyOf": names}
            definition["allOf"] = [
                _settings(name, definitions, refs[handler, "validation"]) for name, handler in handlers.items()
            ]
    root = definitions.pop(_name(refs[model, "validation"]))
    return {"$schema": _DIALECT, **root, "$defs": definitions}


def _settings(do: str, definitions: dict[str, Any], ref: JsonSchemaValue) -> JsonSchemaValue:
    """The schema of `with` if `do` names this handler."""
    if definitions[_name(ref)].get("required"):
        then: JsonSchemaValue = {"properties": {"with": ref}, "required": ["with"]}
    else:
        then = {"properties": {"with": {"anyOf": [ref, {"type": "null"}]}}}
    return {"if": {"properties": {"do": {"const": do}}, "required": ["do"]}, "then": then}


def _name(ref: JsonSchemaValue) -> str:
    return str(ref["$ref"]).rpartition("/")[2]


def _cleaned(schema: Any) -> Any:
    """Remove generated titles and empty defaults, and allow a setting wherever a text is constrained."""
    if isinstance(schema, list):
        return [_cleaned(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: value for key, value in schema.items() if not (key == "default" and value in (None, [], {}))}
    if isinstance(inner.get("title"), str):
        del inner["title"]
    found = {key: value if key in ("examples", "enum", "default") else _cleaned(value) for key, value in inner.items()}
    if found != _SETTING and _is_constrained_text(found):
        kept = {key: found.pop(key) for key in ("description", "default", "examples") if key in found}
        return {**kept, "anyOf": [found, _SETTING]}
    return found


def _is_constrained_text(schema: dict[str, Any]) -> bool:
    texts = schema.get("type") == "string" or all(isinstance(each, str) for each in schema.get("enum", [0]))
    return texts and bool({"enum", "pattern", "minLength", "maxLength", "format"} & schema.keys())


def _without(schema: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != key}
