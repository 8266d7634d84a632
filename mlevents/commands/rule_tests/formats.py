"""Outcomes of tests as text, JSON, workflow commands of GitHub Actions, and JUnit XML."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from xml.etree import ElementTree as Xml

from mlevents.commands.rule_tests.results import Outcome
from mlevents.console import Console
from mlevents.findings import Finding, as_github, counted

_STATUSES = ("passed", "failed", "error")


class TestFormat(StrEnum):
    """The formats of `mlevents test`."""

    text = "text"
    json = "json"
    github = "github"
    junit = "junit"


@dataclass(frozen=True, slots=True)
class Report:
    """The outcomes of tests in order, and the errors of files that cannot be read."""

    outcomes: Sequence[Outcome]
    errors: Sequence[Finding] = field(default=())

    @property
    def ok(self) -> bool:
        """Have all tests passed, and are there any?"""
        return bool(self.outcomes) and not self.errors and all(each.status == "passed" for each in self.outcomes)

    def count(self, status: str) -> int:
        """The number of tests that ended so."""
        return sum(outcome.status == status for outcome in self.outcomes)

    @property
    def summary(self) -> str:
        """The last line: 3 tests: 2 passed, 1 failed."""
        parts = [f"{self.count(status)} {status}" for status in _STATUSES if self.count(status)]
        found = f"{counted(len(self.outcomes), 'test')}{': ' if parts else ''}{', '.join(parts)}"
        return f"{found}; {counted(len(self.errors), 'error')} in files" if self.errors else found


def print_text(report: Report, console: Console) -> None:
    """Print each error, each failure, and the summary."""
    for error in report.errors:
        console.print(error.text, "error", indent=4)
    for outcome in report.outcomes:
        for failure in outcome.failures:
            console.print(f"{outcome.position(failure)}: {outcome.name}", "error", indent=4)
            for line in failure.lines:
                console.print(f"    {line}", indent=14)
    console.print(report.summary, "success" if report.ok else "error")


def as_json(report: Report) -> str:
    """The outcomes as JSON, whose shape docs/testing-rules.md documents."""
    tests = [
        {
            "name": outcome.name,
            "file": outcome.file,
            "line": outcome.line,
            "status": outcome.status,
            "fires": list(outcome.rules),
            "failures": [
                {
                    "line": failure.at.line,
                    "column": failure.at.column,
                    "message": failure.message,
                    "expected": failure.expected,
                    "found": failure.found,
                    "notes": list(failure.notes),
                }
                for failure in outcome.failures
            ],
        }
        for outcome in report.outcomes
    ]
    errors = [{"file": e.file, "line": e.line, "column": e.column, "message": e.text} for e in report.errors]
    counts = {status: report.count(status) for status in _STATUSES}
    return json.dumps({"tests": tests, "errors": errors, "summary": counts}, indent=2)


def as_github_lines(report: Report) -> list[str]:
    """An annotation for each failure and each error, and the summary."""
    found = [*report.errors]
    for outcome in report.outcomes:
        for failure in outcome.failures:
            text = f"{outcome.name}: {'; '.join(failure.lines)}"
            found.append(Finding("error", text, outcome.file, failure.at.line, failure.at.column))
    return [*map(as_github, found), report.summary]


def as_junit(report: Report, now: datetime, host: str) -> str:
    """The outcomes as JUnit XML, for GitHub's actions and for PublishTestResults@2 of Azure DevOps.

    Elements and attributes are those of the schema that Microsoft names for its task, JUnit.xsd of
    github.com/windyroad/JUnit-Schema (learn.microsoft.com, "PublishTestResults@2").
    """
    root = Xml.Element("testsuites")
    files = dict.fromkeys([*(outcome.file for outcome in report.outcomes), *(e.file or "" for e in report.errors)])
    for number, file in enumerate(files):
        outcomes = [outcome for outcome in report.outcomes if outcome.file == file]
        errors = [error for error in report.errors if (error.file or "") == file]
        suite = Xml.SubElement(
            root,
            "testsuite",
            {
                "name": file or "rules",
                "package": "rules",
                "id": str(number),
                "timestamp": f"{now:%Y-%m-%dT%H:%M:%S}",
                "hostname": host,
                "tests": str(len(outcomes) + len(errors)),
                "failures": str(sum(outcome.status == "failed" for outcome in outcomes)),
                "errors": str(len(errors) + sum(outcome.is_error for outcome in outcomes)),
                "time": f"{sum(outcome.seconds for outcome in outcomes):.3f}",
            },
        )
        Xml.SubElement(suite, "properties")
        for error in errors:
            _add_case(suite, f"the file is valid: {error.line}:{error.column}", 0.0, "error", error.text)
        for outcome in outcomes:
            text = "\n".join(
                "\n    ".join([f"{outcome.position(each)}: {each.lines[0]}", *each.lines[1:]])
                for each in outcome.failures
            )
            _add_case(suite, outcome.name, outcome.seconds, outcome.status, text)
        Xml.SubElement(suite, "system-out")
        Xml.SubElement(suite, "system-err")
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True)


def _add_case(suite: Xml.Element, name: str, seconds: float, status: str, text: str) -> None:
    names = {"name": _allowed(name), "classname": suite.attrib["name"], "time": f"{seconds:.3f}"}
    case = Xml.SubElement(suite, "testcase", names)
    if status != "passed":
        kind = "error" if status == "error" else "failure"
        message = {"message": _allowed(text).partition("\n")[0], "type": status}
        Xml.SubElement(case, kind, message).text = _allowed(text)


def _allowed(text: str) -> str:
    """The text with a mark for each character that XML 1.0 does not allow (w3.org/TR/xml, section 2.2)."""
    return re.sub("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
