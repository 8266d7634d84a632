"""The workspaces that `mlevents init` is to list: from texts, files, and what `az` prints."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from schemas import WorkspaceId
from schemas.errors import shown

TYPE = "Microsoft.MachineLearningServices/workspaces"
_LABELS = {"env": ("env", "environment", "stage"), "team": ("team",)}  # label -> tags of Azure that have its value
_STAGES = ("dev", "test", "qa", "staging", "prod")
_SECONDS = 60.0  # for one command of az


@dataclass(frozen=True, slots=True)
class Wanted:
    """A workspace and its labels. `suggested` are labels that its tags in Azure, or its name, suggest."""

    id: WorkspaceId
    labels: Mapping[str, str] = field(default_factory=dict)
    suggested: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The workspace's own name."""
        return self.id.name

    @classmethod
    def of_az(cls, listed: Mapping[str, Any]) -> Self:
        """A workspace as `az ml workspace list` and `az resource list` print it. Raises ValueError."""
        id = WorkspaceId.parse(str(listed.get("id")))
        tags = listed.get("tags")
        tags = {str(tag).casefold(): str(value) for tag, value in tags.items()} if isinstance(tags, dict) else {}
        parts = id.name.lower().replace("_", "-").split("-")
        stage = next((stage for stage in _STAGES if stage in parts), "")
        rest = "-".join(part for part in parts if part != stage)
        found = {"env": stage, "team": rest if stage else ""}
        for label, names in _LABELS.items():
            found[label] = next((tags[name] for name in names if tags.get(name)), found[label])
        return cls(id, suggested={label: value for label, value in found.items() if value})


class AzError(Exception):
    """`az` cannot list workspaces; the message has the reason."""


def az_list() -> list[Wanted]:
    """The workspaces of the subscription that `az` uses. Raises AzError.

    `az resource list` needs no extension, and prints a list of objects with id, name, resourceGroup and tags (null if
    there are none): learn.microsoft.com/cli/azure/resource.
    """
    if (az := shutil.which("az")) is None:
        raise AzError("az is not installed")
    command = [az, "resource", "list", "--resource-type", TYPE, "--output", "json"]
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and no part of the command is from outside
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AzError(f"az does not answer: {error}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise AzError(f"az lists no workspaces: {lines[-1].removeprefix('ERROR: ')}")
    try:
        return _of_json(done.stdout)
    except ValueError as error:
        raise AzError(f"az lists no workspaces: {error}") from error


def in_file(path: Path) -> list[Wanted]:
    """The workspaces in a file: JSON as az prints it, or one line for each. Raises ValueError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if text.lstrip().startswith(("[", "{")):
        return _of_json(text)
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    found = []
    for number, line in enumerate(lines, 1):
        if line:
            try:
                found.append(of_text(line, ()))
            except ValueError as error:
                raise ValueError(f"{path}:{number}: {error}") from error
    return found


def of_text(text: str, known: Iterable[Wanted]) -> Wanted:
    """``ID env=prod team=churn``, or a name in place of the id if it is the name of one `known`. Raises ValueError."""
    first, *rest = text.split() or [""]
    return replace(_find(first, known), labels=labels_of(rest))


def labels_of(texts: Iterable[str]) -> dict[str, str]:
    """The labels ``NAME=VALUE``. Raises ValueError."""
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        if not name or not value:
            raise ValueError(f"{shown(text)} is no label: write NAME=VALUE, like env=prod")
        found[name] = value
    return found


def unique(wanted: Iterable[Wanted]) -> list[Wanted]:
    """The workspaces, each once: of the same id, the first."""
    found: dict[object, Wanted] = {}
    for each in wanted:
        found.setdefault(each.id, each)
    return list(found.values())


def _find(text: str, known: Iterable[Wanted]) -> Wanted:
    if "/" in text:
        try:
            return Wanted(WorkspaceId.parse(text))
        except ValueError as error:
            raise ValueError(f"{shown(text)} is not {error}") from error
    named = [each for each in known if each.name.casefold() == text.casefold()]
    if len(named) == 1:
        return named[0]
    what = f"{len(named)} workspaces are called {shown(text)}" if named else f"az lists no workspace {shown(text)}"
    raise ValueError(f"{what}: write the id that az ml workspace show --query id prints")


def _of_json(text: str) -> list[Wanted]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"it is not JSON: {error}") from error
    objects = value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in objects):
        raise ValueError("it is not a list of workspaces, as az resource list prints it")
    return [Wanted.of_az(each) for each in objects]
