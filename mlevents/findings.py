"""`Finding`: an error or a warning of `mlevents check`, and the formats in which it is printed."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from dispatch.rules.errors import RuleError, one_line
from dispatch.rules.rule import Rules
from schemas.errors import printable

Severity = Literal["error", "warning"]


class Format(StrEnum):
    """The formats of `mlevents check`."""

    text = "text"
    json = "json"
    github = "github"


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding. Line and column count from 1; they and `file` are None, and `hint` and `rule` empty, if unknown."""

    severity: Severity
    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    hint: str = ""
    rule: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", printable(one_line(self.message)))
        object.__setattr__(self, "hint", printable(" ".join(self.hint.split())))

    @classmethod
    def of(cls, error: RuleError, severity: Severity) -> Self:
        """The finding that an error or a warning of the loader is."""
        return cls(severity, error.message, error.file, error.line, error.column, error.hint)

    @property
    def text(self) -> str:
        """One line: the position, the message and the hint."""
        start = "".join(f"{part}:" for part in (self.file, self.line, self.column) if part is not None)
        end = f". {self.hint}" if self.hint else ""
        return f"{start} {self.message}{end}".strip()


@dataclass(frozen=True, slots=True)
class Summary:
    """How many rules are in force, in how many files, and the number of findings."""

    rules: int
    files: int
    errors: int
    warnings: int
    knows_workspaces: bool = True

    @classmethod
    def of(cls, rules: Rules, findings: Sequence[Finding]) -> Self:
        """Count rules and findings."""
        in_force = rules.by_name.values() if rules.workspaces is not None else ()
        errors = sum(finding.severity == "error" for finding in findings)
        return cls(
            rules=len(in_force),
            files=len({rule.file for rule in in_force}),
            errors=errors,
            warnings=len(findings) - errors,
            knows_workspaces=rules.workspaces is not None,
        )

    @property
    def text(self) -> str:
        """The last line: 4 rules in force in 2 files, no errors, 1 warning."""
        found = counted(self.errors, "error") if self.errors else "no errors"
        if self.warnings:
            found += f", {counted(self.warnings, 'warning')}"
        if not self.knows_workspaces:
            return f"no rule acts until workspaces.yaml is valid; {found}"
        return f"{counted(self.rules, 'rule')} in force in {counted(self.files, 'file')}, {found}"


def of_loader(rules: Rules) -> list[Finding]:
    """What the loader has found."""
    errors = [Finding.of(error, "error") for error in rules.errors]
    return errors + [Finding.of(warning, "warning") for warning in rules.warnings]


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 error, 2 errors."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def as_json(findings: Iterable[Finding], summary: Summary) -> str:
    """The findings and the summary as JSON, whose shape docs/rules.md documents."""
    counts = {name: value for name, value in asdict(summary).items() if name != "knows_workspaces"}
    return json.dumps({"findings": [asdict(finding) for finding in findings], "summary": counts}, indent=2)


def as_github(finding: Finding) -> str:
    """The finding as a workflow command of GitHub Actions, which shows it in the file.

    The escaping is that of @actions/core, command.ts (github.com/actions/toolkit).
    """
    places = {"file": finding.file, "line": finding.line, "col": finding.column, "title": finding.rule or None}
    properties = ",".join(f"{name}={_property(value)}" for name, value in places.items() if value is not None)
    message = f"{finding.message}. {finding.hint}" if finding.hint else finding.message
    return f"::{finding.severity} {properties}".rstrip() + f"::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str | int) -> str:
    return _data(str(value)).replace(":", "%3A").replace(",", "%2C")


def path_from_here(file: str, *folders: Path) -> str:
    """The path of a file that the loader names from one of these folders, from the current folder if it is below."""
    path = next((folder / file for folder in folders if (folder / file).exists()), None)
    if path is None:
        return file
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)
