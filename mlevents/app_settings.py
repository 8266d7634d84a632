"""local.settings.json, read as Core Tools reads it, and the worker's environment, which includes it.

From Azure/azure-functions-core-tools, AppSettingsFile.cs and StartHostAction.cs: `Values` and `ConnectionStrings`
become environment variables, unless the environment has a variable of that name that is not empty. Numbers and booleans
become text, null is left out, and IsEncrypted must be false.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from dispatch import lenient_json
from dispatch.settings import Environment

FILE = "local.settings.json"


class BadFile(Exception):  # noqa: N818 - the name says which file is bad
    """A configuration file cannot be used; the message has its path, the position and the reason."""


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; its numbers are texts, spelled as in the file. Raises BadFile, FileNotFoundError.

    Like Newtonsoft.Json in the real tools, it allows comments and trailing commas, but no single quotes or bare names.
    """
    try:
        value = lenient_json.loads(path.read_text(encoding="utf-8"), parse_float=str, parse_int=str)
    except UnicodeDecodeError as error:
        raise BadFile(f"{path} is not UTF-8: {error}") from error
    except json.JSONDecodeError as error:
        raise BadFile(f"{path}, line {error.lineno}, column {error.colno}: {error.msg}") from error
    if not isinstance(value, dict):
        raise BadFile(f"{path} must hold a JSON object, not {type(value).__name__}")
    return value


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """The settings of a file, and lines to print about their sources."""

    values: Mapping[str, str]
    port: int | None = None  # Host.LocalHttpPort
    notes: tuple[str, ...] = field(default=())
    name: str = FILE  # of the file

    @classmethod
    def load(cls, app_dir: Path) -> Self:
        """The app's local.settings.json; without one its example; without either nothing. Raises BadFile."""
        for path in (app_dir / FILE, app_dir / f"{FILE}.example"):
            if path.is_file():
                found = cls.read(path)
                first = f"settings are those of {path.name}" + (f": there is no {FILE}" if path.name != FILE else "")
                return replace(found, notes=(first, *found.notes))
        return cls({}, None, (f"there is no {FILE} in {app_dir}: settings are those of the environment",))

    @classmethod
    def read(cls, path: Path) -> Self:
        """One such file. Raises BadFile."""
        document = read_object(path)
        if document.get("IsEncrypted", True) is not False:
            raise BadFile(
                f"{path}: IsEncrypted is not false; only Core Tools can read encrypted settings. "
                f'Run `func settings decrypt`, or write "IsEncrypted": false over plain values'
            )
        values, notes = _texts(path, document, "Values")
        strings = {f"ConnectionStrings:{n}": v for n, v in _connection_strings(path, document).items()}
        return cls({**values, **strings}, _port(path, document), tuple(notes), path.name)

    def environment(self, inherited: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
        """The environment with these settings added, and a line for each setting that the environment overrides."""
        kept = [name for name in self.values if inherited.get(name)]
        notes = [f"{name} is as the environment has it, not as {self.name}" for name in kept]
        added = {name: value for name, value in self.values.items() if name not in kept}
        return {**inherited, **added, "AZURE_FUNCTIONS_ENVIRONMENT": "Development"}, notes


def is_disabled(function: str, environment: Mapping[str, str]) -> bool:
    """Does a setting AzureWebJobs.NAME.Disabled disable the function? Its dots may be written as ``_`` or ``__``."""
    settings = Environment(environment)
    names = (separator.join(("AzureWebJobs", function, "Disabled")) for separator in (".", "_", "__"))
    return any(settings.get(name).lower() in {"1", "true"} for name in names)


def resolve(text: str, environment: Mapping[str, str]) -> str:
    """A binding's text with each ``%NAME%`` replaced by the app setting. Raises LookupError for a missing one."""
    settings = Environment(environment)

    def value(found: re.Match[str]) -> str:
        if not (value := settings.get(found[1])):
            raise LookupError(f"the app setting {found[1]}, which {text!r} names, is not set")
        return value

    return re.sub(r"%([^%]+)%", value, text)


def _texts(path: Path, document: Mapping[str, Any], name: str) -> tuple[dict[str, str], list[str]]:
    section, values, notes = _section(path, document, name), {}, []
    for key, value in section.items():
        if not key:
            notes.append(f"{path.name}: a value in {name} has an empty name and is left out")
        elif value is None:
            notes.append(f"{path.name}: {key} is null and is left out")
        elif isinstance(value, dict | list):
            raise BadFile(f"{path}: {name}.{key} must be a text; write nested settings as {key}__NAME")
        else:
            values[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return values, notes


def _connection_strings(path: Path, document: Mapping[str, Any]) -> dict[str, str]:
    """The connection strings; each is a text, or an object with a `ConnectionString`."""
    section = _section(path, document, "ConnectionStrings")
    plain = {k: v.get("ConnectionString") if isinstance(v, dict) else v for k, v in section.items()}
    return _texts(path, {"ConnectionStrings": plain}, "ConnectionStrings")[0]


def _port(path: Path, document: Mapping[str, Any]) -> int | None:
    text = _section(path, document, "Host").get("LocalHttpPort")
    if text is None:
        return None
    if not str(text).isdecimal() or not 0 < int(text) < 65536:
        raise BadFile(f"{path}: Host.LocalHttpPort is {text!r}; it must be a port, like 7071")
    return int(text)


def _section(path: Path, document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = document.get(name)
    if section is not None and not isinstance(section, dict):
        raise BadFile(f"{path}: {name} must be a JSON object")
    return section or {}
