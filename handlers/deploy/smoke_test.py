"""The request that a new deployment must answer before it gets traffic, and while it gets more."""

import json
from enum import Enum
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator, model_validator

from handlers.azure.ml.resources import Answer
from handlers.file_field import WHERE, FileName, path_of
from handlers.template import Template
from schemas import Event

# What a deployment says that is not ready to answer, or what stands before it (learn.microsoft.com, "Troubleshoot
# online endpoints deployment and scoring", HTTP status codes); 0 is no answer.
_NOT_YET = {0, 404, 408, 424, 429}
_ACCESS = {401, 403}


class Verdict(Enum):
    """What an answer says of the deployment."""

    GOOD = "good"
    BAD = "bad"
    NOT_YET = "not yet"  # perhaps it will answer better in a moment
    NOT_ALLOWED = "not allowed"  # perhaps in some minutes, when a role has spread


class Judgement(NamedTuple):
    """A verdict, and why."""

    verdict: Verdict
    why: str = ""


class SmokeTest(BaseModel):
    """A file with a request, and what must be true of the answer. The file is one of the rules' or of the app's."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    request: str
    expect: Template | None = None

    @model_validator(mode="before")
    @classmethod
    def _or_just_the_file(cls, value: Any) -> Any:
        return {"request": value} if isinstance(value, str) else value

    @field_validator("request")
    @classmethod
    def _is_there(cls, value: str, info: ValidationInfo) -> str:
        file = FileName.of(value, info)
        try:
            json.loads(file.path.read_bytes())
        except OSError as error:
            raise ValueError(f"{value!r} cannot be read: {error.strerror}; {WHERE}") from error
        except ValueError as error:
            raise ValueError(f"{value!r} is not JSON: {error}") from error
        return file

    def body(self) -> bytes:
        """The request. Raises OSError if the file has gone."""
        return path_of(self.request).read_bytes()

    def classify(self, answer: Answer, event: Event) -> Judgement:
        """What an answer says. Raises jinja2.TemplateError if `expect` asks for what is not there."""
        told = f"HTTP {answer.status}: {answer.text[:300]}" if answer.status else answer.text[:300]
        if answer.status in _ACCESS:
            return Judgement(Verdict.NOT_ALLOWED, told)
        if answer.status in _NOT_YET or answer.status >= 500:
            return Judgement(Verdict.NOT_YET, told)
        if not 200 <= answer.status < 300:
            return Judgement(Verdict.BAD, told)
        try:
            value = json.loads(answer.text)
        except ValueError:
            return Judgement(Verdict.BAD, f"the answer is not JSON: {answer.text[:300]}")
        if self.expect is not None and self.expect.render(event, answer=value).strip().casefold() != "true":
            return Judgement(Verdict.BAD, f"the answer is not as expected: {answer.text[:300]}")
        return Judgement(Verdict.GOOD)
