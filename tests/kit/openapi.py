"""`Published`: the requests and answers of a service, by a condensed copy of its published OpenAPI document.

    python -m tests.kit.openapi DOCUMENT.json "a comment" "POST /repos/{owner}/{repo}/dispatches" … > NAME.json

condenses a document (OpenAPI 3 or Swagger 2) to some operations. Requests keep their whole schema, and take no other
properties. Of answers, the properties and their types are kept, and nothing is required: a test's answer has what the
handler reads. tests/kit/published has the copies.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from jsonschema import Draft202012Validator

from mlevents.testing.server import Answer, Request

Schema = dict[str, Any]

_KEPT = ("enum", "minLength", "maxLength", "maxProperties", "maxItems", "minItems", "pattern")
_DEEP, _SHALLOW = 8, 3  # levels of a request, and of an answer


class Operation(NamedTuple):
    """The operation of a request: its name, such as ``GET /repos/{owner}``, and the values of the path's parameters."""

    name: str
    parameters: dict[str, str]


class Published:
    """The operations of one service: ``github``, …"""

    def __init__(self, service: str) -> None:
        text = (Path(__file__).parent / "published" / f"{service}.json").read_text(encoding="utf-8")
        self._operations: dict[str, Any] = json.loads(text)["operations"]

    def operation(self, request: Request, prefix: str = "") -> Operation:
        """The operation of a request, which satisfies its schema. Raises AssertionError if it does not."""
        path = request.path.removeprefix(prefix)
        for name, operation in self._operations.items():
            method, _, template = name.partition(" ")
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
            if method == request.method and (found := re.fullmatch(pattern, path)):
                self._check(request, operation, name)
                return Operation(name, {key: unquote(value) for key, value in found.groupdict().items()})
        raise AssertionError(f"{request.method} {path} is no operation of the service")

    def answer(self, operation: Operation, answer: Answer) -> Answer:
        """An answer to it, if it is one that the service documents. Raises AssertionError if it is not."""
        answers = self._operations[operation.name]["answers"]
        assert str(answer.status) in answers, f"{operation.name} does not answer {answer.status}"
        _validate(answer.body or None, answers[str(answer.status)] or {}, operation.name)
        return answer

    @staticmethod
    def _check(request: Request, operation: Schema, name: str) -> None:
        unknown = set(request.query) - set(operation["query"])
        assert not unknown, f"{name} has no query parameters {unknown}"
        if operation["body"] is None:
            assert request.body in (b"", b"null"), f"{name} has no body"
        else:
            assert request.headers["Content-Type"].startswith(operation["content"]), name
            _validate(request.json(), operation["body"], name)


def _validate(value: Any, schema: Schema, name: str) -> None:
    errors = [f"{error.json_path}: {error.message[:300]}" for error in Draft202012Validator(schema).iter_errors(value)]
    assert not errors, f"{name}: {'; '.join(errors)}"


class Condenser:
    """Condenses the operations of a document."""

    def __init__(self, document: Schema) -> None:
        self._document = document

    def operation(self, name: str) -> Schema:
        """The query parameters, the body and the answers of an operation."""
        method, _, path = name.partition(" ")
        found = self._document["paths"][path][method.lower()]
        parameters = [self._resolved(each) for each in found.get("parameters", ())]
        body, content = self._body(found, parameters)
        return {
            "query": sorted(each["name"] for each in parameters if each["in"] == "query"),
            "content": content,
            "body": body,
            "answers": {status: self._answer(self._resolved(each)) for status, each in found["responses"].items()},
        }

    def _body(self, found: Schema, parameters: list[Schema]) -> tuple[Schema | None, str]:
        for each in parameters:
            if each["in"] == "body":
                return self._schema(each["schema"], _DEEP, strict=True), (found.get("consumes") or [""])[0]
        content = self._resolved(found.get("requestBody") or {}).get("content") or {}
        for kind, media in content.items():
            return self._schema(media["schema"], _DEEP, strict=True), kind
        return None, ""

    def _answer(self, answer: Schema) -> Schema | None:
        media = next(iter((answer.get("content") or {}).values()), answer)
        return self._schema(media["schema"], _SHALLOW) if "schema" in media else None

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            found: Any = self._document
            for key in schema["$ref"].removeprefix("#/").split("/"):
                found = found[key]
            schema = found
        return schema

    def _schema(self, schema: Schema, levels: int, *, strict: bool = False) -> Schema:
        schema = self._resolved(schema)
        for key in ("oneOf", "anyOf"):
            if key in schema:
                return {key: [self._schema(each, levels, strict=strict) for each in schema[key]]}
        properties: Schema = {}
        for part in (*(self._resolved(each) for each in schema.get("allOf", ())), schema):
            properties |= part.get("properties", {})
            if part.get("type") == "array":  # a Swagger document's way to describe a list
                schema = part
        found: Schema = {name: schema[name] for name in _KEPT if name in schema}
        is_any = schema.get("type") == "object" and not properties and "swagger" in self._document
        if (kind := schema.get("type")) and not is_any:  # so Swagger documents of Microsoft describe any JSON
            found["type"] = [kind, "null"] if schema.get("nullable") or not strict else kind
        if levels == 1:
            return found
        if properties:
            found["properties"] = {
                name: self._schema(each, levels - 1, strict=strict) for name, each in properties.items()
            }
            if strict:
                found |= {"required": schema.get("required", []), "additionalProperties": False}
        elif isinstance(values := schema.get("additionalProperties"), dict):
            found["additionalProperties"] = self._schema(values, levels - 1, strict=strict)
        if "items" in schema:
            found["items"] = self._schema(schema["items"], levels, strict=strict)
        return found


def condense(document: Schema, names: list[str], license: str) -> str:
    """The condensed document as JSON, with one operation a line."""
    condenser = Condenser(document)
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(condenser.operation(name))}" for name in names)
    return f'{{\n "$comment": {json.dumps(license)},\n "operations": {{\n{lines}\n }}\n}}'


if __name__ == "__main__":
    print(condense(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8-sig")), sys.argv[3:], sys.argv[2]))
