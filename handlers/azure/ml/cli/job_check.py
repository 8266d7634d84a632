"""Check a job as azure-ai-ml does before it sends a request: for ``mlevents check``, since the import takes seconds."""

import io
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from handlers.azure.client_errors import ClientError, client_errors
from handlers.azure.ml.cli.cli_yaml import CliYaml, value_at
from handlers.azure.ml.jobs import NewJob, load_definition
from handlers.base import Finding

_MISSING = "Missing data for required field"
_COMPONENT = ("component",)  # of a step


def job_findings(new: NewJob, file: CliYaml) -> Iterator[Finding]:
    """What azure-ai-ml refuses in a job, with the lines of its file. Sends no request."""
    with warnings.catch_warnings():  # azure-ai-ml uses what marshmallow will remove
        warnings.simplefilter("ignore")
        errors = tuple(_job_errors(new, file.content))
    for error in errors:
        path = error.path or _first_date(file.content)
        value, message = value_at(file.content, path), error.message
        if isinstance(value, date):
            message = f'YAML reads a date; put it in quotes: "{value}"'
        line = file.line(path) if path else file.line_with(_quoted(message))
        yield Finding(str(ClientError(message, path)), file.name, line)


def _job_errors(new: NewJob, content: Mapping[str, Any]) -> Iterator[ClientError]:
    """The errors of a job, with those that azure-ai-ml reports as a missing component explained."""
    errors = _client_errors(new)
    steps = {error.path[:2] for error in errors if error.path[2:] != _COMPONENT}
    for error in errors:
        if error.path[2:] != _COMPONENT or error.message != _MISSING:
            yield error
        elif error.path[:2] not in steps:  # otherwise, it follows from another error in the step
            yield _step_error(error, new, content)


def _client_errors(new: NewJob) -> tuple[ClientError, ...]:
    """Load, validate and serialize a job, up to the first of these that fails."""
    try:
        job: Any = load_definition(new)
        result = job._validate(raise_error=False) if hasattr(job, "_validate") else None
    except Exception as error:  # of marshmallow, azure-ai-ml or Python
        return client_errors(error)
    if result and result.error_messages:
        return tuple(ClientError(text.rstrip("."), _keys(path)) for path, text in result.error_messages.items())
    return _serialization_errors(job)


def _serialization_errors(job: Any) -> tuple[ClientError, ...]:
    """Errors of the conversion to a request, which is where azure-ai-ml compares a command with the inputs.

    It may also fail because references are not resolved, with other exceptions: those are no errors of the file.
    """
    from azure.ai.ml.entities._job.to_rest_functions import to_rest_job_object
    from azure.ai.ml.exceptions import MlException

    try:
        to_rest_job_object(job)
    except MlException as error:
        return client_errors(error)
    except Exception:
        return ()
    return ()


def _step_error(error: ClientError, new: NewJob, content: Mapping[str, Any]) -> ClientError:
    """For an inline step that azure-ai-ml cannot read, it reports a missing component: find what it cannot read."""
    step = value_at(content, error.path[:2])
    if not isinstance(step, Mapping):
        return error
    from azure.ai.ml import load_job

    inline = {key: value for key, value in step.items() if key not in ("inputs", "outputs")}
    try:
        load_job(io.StringIO(json.dumps(inline, default=str)), relative_origin=str(new.source))
    except Exception as cause:
        first = client_errors(cause)[0]
        return ClientError(first.message, (*error.path[:2], *first.path))
    return error


def _quoted(message: str) -> list[str]:
    """What a message quotes of a file: a binding, or the name of an input."""
    names = re.findall(r"'(\w+)'", message)
    return re.findall(r"\$\{\{[^}]+\}\}", message) + [f"inputs.{name}" for name in names]


def _keys(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split(".") if part and part != "*")


def _first_date(content: Any, path: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The path of the first date in a file; empty if it has none."""
    if isinstance(content, date):
        return path
    inner = content.items() if isinstance(content, Mapping) else enumerate(content) if isinstance(content, list) else ()
    return next((found for key, value in inner if (found := _first_date(value, (*path, str(key))))), ())
