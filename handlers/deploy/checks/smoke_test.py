"""`SmokeTest`: a request that a new deployment must answer correctly, before it gets traffic and while it gets more."""

import json
from enum import Enum
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator, model_validator

from handlers.azure.ml.resources import Answer
from handlers.errors import DENIED, NOT_READY_TO_SCORE
from handlers.file_field import FileName
from handlers.template import Template
from schemas import Event

_MAX_TEXT = 300  # characters of an answer that a reason quotes


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError for any other text, also for NaN and for values nested too deeply."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("the values are nested too deeply") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


class Verdict(Enum):
    """What an answer shows about the deployment."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_READY = "not ready"  # a retry some seconds later may pass
    DENIED = "denied"  # a retry may pass once a new role has propagated


class SmokeTestResult(NamedTuple):
    """A verdict, and the reason for it if it is not PASSED."""

    verdict: Verdict
    reason: str = ""


class SmokeTest(BaseModel):
    """A JSON file with the request, in the rules folder or the app's, and the condition that the answer must meet."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")
    template_names: ClassVar[frozenset[str]] = frozenset({"answer"})  # of `expect`

    request: str
    expect: Template | None = None

    @model_validator(mode="before")
    @classmethod
    def _accept_file_name(cls, value: Any) -> Any:
        return {"request": value} if isinstance(value, str) else value

    @field_validator("request")
    @classmethod
    def _must_be_json(cls, value: str, info: ValidationInfo) -> str:
        file = FileName.of(value, info)
        content = file.read()
        try:
            parse_json(content)
        except ValueError as error:
            raise ValueError(f"{value!r} is not JSON: {error}") from error
        return file

    def body(self) -> bytes:
        """The request's body. Raises ValueError if the file cannot be read any more."""
        return FileName.of(self.request).read()

    def classify(self, answer: Answer, event: Event) -> SmokeTestResult:
        """Return the result of the test for this answer. Raises jinja2.TemplateError if `expect` cannot be rendered."""
        quoted = answer.text[:_MAX_TEXT]
        reason = f"HTTP {answer.status}: {quoted}" if answer.status else quoted
        if answer.status in DENIED:
            return SmokeTestResult(Verdict.DENIED, reason)
        if not answer.status or answer.status in NOT_READY_TO_SCORE or answer.status >= 500:
            return SmokeTestResult(Verdict.NOT_READY, reason)
        if not 200 <= answer.status < 300:
            return SmokeTestResult(Verdict.FAILED, reason)
        try:
            value = parse_json(answer.text)
        except ValueError:
            return SmokeTestResult(Verdict.FAILED, f"the answer is not JSON: {quoted}")
        if self.expect is not None and self.expect.render(event, answer=value).strip().casefold() != "true":
            return SmokeTestResult(Verdict.FAILED, f"the answer is not as expected: {quoted}")
        return SmokeTestResult(Verdict.PASSED)
