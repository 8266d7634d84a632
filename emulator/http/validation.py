"""Checks of request bodies against emulator/schemas, with an error response that lists every problem."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from emulator.http.response import ErrorResponse

_FOLDER = Path(__file__).resolve().parent.parent / "schemas"
_DURATION = re.compile(r"-?P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")
_INT32 = range(-(2**31), 2**31)
_TYPES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "a boolean",
    "array": "an array",
    "object": "an object",
}

_Schema = Mapping[str, Any]
_Errors = Iterator[ValidationError]


def validate(body: Any, name: str) -> None:
    """Raise an error response (400), with every problem as a detail, unless a body satisfies that schema."""
    problems = [_message(error) for error in _validator(name).iter_errors(body)]
    if problems:
        raise ErrorResponse(
            400,
            "ValidationError",
            f"The request is invalid: {problems[0]}.",
            details=[{"code": "InvalidParameter", "message": problem} for problem in problems],
        )


def _required(_: Any, required: list[str], instance: Any, __: _Schema) -> _Errors:
    """Null counts as missing."""
    for name in required if isinstance(instance, dict) else ():
        if instance.get(name) is None:
            yield ValidationError("is required", path=[name])


def _properties(validator: Any, properties: Mapping[str, Any], instance: Any, _: _Schema) -> _Errors:
    """A known property may be null."""
    for name, value in instance.items() if isinstance(instance, dict) else ():
        if value is not None and name in properties:
            yield from validator.descend(value, properties[name], path=name, schema_path=name)


def _additional(validator: Any, values: Any, instance: Any, schema: _Schema) -> _Errors:
    known = schema.get("properties", {})
    for name, value in instance.items() if isinstance(instance, dict) else ():
        if name in known:
            continue
        if values is False:
            yield ValidationError("is not a property of the schema", path=[name])
        else:
            yield from validator.descend(value, values, path=name)


def _discriminator(validator: Any, discriminator: Mapping[str, Any], instance: Any, _: _Schema) -> _Errors:
    """OpenAPI's: one property names the schema that applies."""
    if not isinstance(instance, dict):
        return
    name, mapping = discriminator["propertyName"], discriminator["mapping"]
    kind = instance.get(name)
    if kind is None:
        yield ValidationError("is required", path=[name])
    elif not isinstance(kind, str) or kind not in mapping:
        yield ValidationError(f"{kind!r} is not one of {', '.join(mapping)}", path=[name])
    else:
        yield from validator.descend(instance, {"$ref": mapping[kind]})


def _is_integer(_: Any, value: Any) -> bool:
    """JSON Schema takes 1.0 for an integer; the service does not."""
    return isinstance(value, int) and not isinstance(value, bool)


_FORMATS = FormatChecker(formats=())
_FORMATS.checks("duration")(lambda value: not isinstance(value, str) or bool(_DURATION.fullmatch(value)))
_FORMATS.checks("int32")(lambda value: not isinstance(value, int) or value in _INT32)
_KEYWORDS: Mapping[str, Callable[..., _Errors]] = {
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional,
    "discriminator": _discriminator,
}
_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, _KEYWORDS, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
)


@cache
def _validator(name: str) -> Any:
    return _Validator({"$ref": f"#/$defs/{name}", "$defs": _definitions()}, format_checker=_FORMATS)


@cache
def _definitions() -> dict[str, Any]:
    """The published definitions with the additions merged in, and those of other requests."""
    published, additions, requests = (
        json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("published", "additions", "requests")
    )
    definitions = {**published["$defs"], **requests["$defs"]}
    for addition in additions:
        patch = {name: value for name, value in addition.items() if name not in {"why", "to"}}
        for name in addition["to"]:
            definitions[name] = _merged(definitions.get(name, {}), patch)
    return definitions


def _merged(target: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict) or not isinstance(target, dict):
        return patch
    merged = {**target, **{name: _merged(target.get(name), value) for name, value in patch.items()}}
    return {name: value for name, value in merged.items() if value is not None}


def _message(error: ValidationError) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    return f"{path or 'the body'} {_problem(error)}"


def _problem(error: ValidationError) -> str:
    value: Any = error.instance
    limit: Any = error.validator_value
    match error.validator:
        case "type":
            wanted = limit if isinstance(limit, str) else limit[0]
            return f"must be {_TYPES[wanted]}, not {_type_of(value)}"
        case "enum":
            return f"{value!r} is not one of {', '.join(limit)}"
        case "pattern":
            return f"{value!r} does not match {limit}"
        case "minLength":
            return f"must have at least {limit} character(s)"
        case "minimum":
            return f"{value} is less than {limit}"
        case "maximum":
            return f"{value} is greater than {limit}"
        case "format" if limit == "duration":
            return f"{value!r} is not an ISO 8601 duration, like PT30S"
        case "format":
            return f"{value} is not from {_INT32[0]} to {_INT32[-1]}"
    return error.message


def _type_of(value: Any) -> str:
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return _TYPES[names[type(value)]] if value is not None else "null"
