"""Compare the lock files with the published advisories: run by ``make audit``.

pip-audit asks the Python Package Index, npm its registry. A service that cannot be asked is reported in one line and
does not fail the check. An advisory does, unless accepted-advisories.toml lists it with a reason and a date.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

from locks import LOCKS, ROOT

ACCEPTED = Path(__file__).with_name("accepted-advisories.toml")
PIP_AUDIT = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner=off"]
PIP_AUDIT += ["--format=json", *(f"--requirement={name}" for name in LOCKS.values())]
NPM_AUDIT = ["npm", "audit", "--json", "--package-lock-only"]
Run: TypeAlias = Callable[[list[str]], subprocess.CompletedProcess[str]]


class AcceptedFileError(Exception):
    """accepted-advisories.toml is invalid; the message says how."""


@dataclass(frozen=True, slots=True)
class Advisory:
    """A published vulnerability of a locked version."""

    id: str
    package: str
    fix: str = ""  # what to do, if the service says so
    aliases: tuple[str, ...] = ()  # its ids elsewhere

    @property
    def ids(self) -> set[str]:
        """Every id of the advisory."""
        return {self.id, *self.aliases}


@dataclass(frozen=True, slots=True)
class Report:
    """What a service reported. `unchecked` says what it was not asked about, or why it was not asked at all."""

    advisories: tuple[Advisory, ...] = ()
    checked: int = 0
    unchecked: str = ""


def python_report(done: subprocess.CompletedProcess[str]) -> Report:
    """Read pip-audit's output. It succeeds, too, if the service knows none of the packages, and then skips them all."""
    found = _json(done.stdout)
    if not isinstance(found, Mapping) or "dependencies" not in found:
        return Report(unchecked=_reason(done))
    packages = found["dependencies"]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    advisories = [
        Advisory(
            id=each["id"],
            package=f"{package['name']} {package['version']}",
            fix=", ".join(each["fix_versions"]),
            aliases=tuple(each.get("aliases", ())),
        )
        for package in packages
        for each in package.get("vulns", ())
    ]
    unchecked = f"{len(skipped)} of {len(packages)} packages, which the service does not know" if skipped else ""
    return Report(tuple(dict.fromkeys(advisories)), len(packages) - len(skipped), unchecked)


def npm_report(done: subprocess.CompletedProcess[str]) -> Report:
    """Read npm's output. A package whose entry only names another package is affected through that one."""
    found = _json(done.stdout)
    if not isinstance(found, Mapping) or "vulnerabilities" not in found:
        message = found.get("message") if isinstance(found, Mapping) else None
        return Report(unchecked=message or _reason(done))
    advisories = [
        Advisory(id=each["url"].rpartition("/")[2], package=f"{each['name']} {each['range']}", aliases=(each["url"],))
        for entry in found["vulnerabilities"].values()
        for each in entry["via"]
        if isinstance(each, Mapping)
    ]
    return Report(tuple(dict.fromkeys(advisories)), found["metadata"]["dependencies"]["total"])


def accepted(text: str) -> dict[str, str]:
    """The accepted advisories: the reasons by id. Raises AcceptedFileError."""
    try:
        entries = tomllib.loads(text).get("accepted", [])
    except tomllib.TOMLDecodeError as error:
        raise AcceptedFileError(f"{ACCEPTED.name}: {error}") from error
    for number, entry in enumerate(entries, 1):
        for key, kind in {"id": str, "reason": str, "date": date}.items():
            if not isinstance(entry.get(key), kind) or not entry[key]:
                raise AcceptedFileError(f"{ACCEPTED.name}: entry {number} has no {key}; it needs id, reason and date")
    return {entry["id"]: entry["reason"] for entry in entries}


def judge(reports: Mapping[str, Report], known: Mapping[str, str]) -> tuple[list[str], bool]:
    """The lines to print, and whether all advisories are accepted."""
    lines, fine, seen = [], True, set()
    for service, report in reports.items():
        if report.checked:
            lines.append(f"{service}: packages checked: {report.checked}")
        if report.unchecked:
            lines.append(f"{service}: not checked: {report.unchecked}")
        for advisory in report.advisories:
            listed = advisory.ids & known.keys()
            seen |= listed
            fine = fine and bool(listed)
            remedy = f"accepted: {known[min(listed)]}" if listed else f"fixed in: {advisory.fix or 'no version yet'}"
            lines.append(f"{service}: {advisory.package}: {advisory.id}; {remedy}")
    if all(report.checked and not report.unchecked for report in reports.values()):
        lines += [f"{ACCEPTED.name}: {id} is not reported any more; remove it" for id in sorted(known.keys() - seen)]
    return lines, fine


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """The last line that a failed command has printed, without the names of loggers."""
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    return (lines[-1] if lines else f"exit code {done.returncode}")[:200]


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def main(run: Run = _run, text: str | None = None) -> int:
    """Print what was found. Returns 0, 1 for an advisory that is not accepted, or 2 for an invalid file."""
    try:
        known = accepted(ACCEPTED.read_text(encoding="utf-8") if text is None else text)
    except AcceptedFileError as error:
        print(error, file=sys.stderr)
        return 2
    reports = {"PyPI": python_report(run(PIP_AUDIT)), "npm": npm_report(run(NPM_AUDIT))}
    lines, fine = judge(reports, known)
    print(*lines, sep="\n")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
