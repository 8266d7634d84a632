"""Python, azure-functions and the requirements lock, against what Flex Consumption runs.

Sources: learn.microsoft.com, "Supported languages in Azure Functions" (versions of Python and the ends of their
support), and the releases of azure-functions: 1.25 and 2.1 are the first that know CloudEvents; 2.x needs Python 3.13.
"""

import re
import sys
from collections.abc import Iterator
from datetime import date
from importlib import metadata
from pathlib import Path

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mlevents.doctor.diagnosis import Diagnoses, Diagnosis, Group, Subject

ENDS = {(3, 11): date(2027, 10, 31), (3, 12): date(2028, 10, 31), (3, 13): date(2029, 10, 31)}  # that the app supports
LOCK, INPUT = "requirements.txt", "requirements.in"

_SOON = 180  # days before the end of a version's support
_PIN = re.compile(r"^([\w.-]+)(?:\[[^]]*])?==([^\s;\\]+)(?:\s*;\s*([^\\]+))?")
_GROUP = Group("runtime")


def check(subject: Subject, today: date, version: tuple[int, int] | None = None) -> Diagnoses:
    """Check the running Python, or the `version` of a deployed app, and the packages that are deployed."""
    running = version or (sys.version_info.major, sys.version_info.minor)
    yield of_python(running, today, "the function app" if version else sys.executable)
    yield from _of_lock(subject.folder, running)


def of_python(version: tuple[int, int], today: date, where: str) -> Diagnosis:
    """Is it a version that the app is tested with, and that Azure will still support?"""
    name = f"Python {version[0]}.{version[1]}"
    if version not in ENDS:
        known = ", ".join(f"{major}.{minor}" for major, minor in ENDS)
        return _GROUP.error(f"{name} is not supported", where, f"use one of these: {known}; 3.12 is the usual one")
    left = (ENDS[version] - today).days
    if left < _SOON:
        end = f"support of {name} in Azure Functions {'ends' if left >= 0 else 'ended'} on {ENDS[version]}"
        return _GROUP.warning(end, where, "change to a later version: functionAppConfig.runtime.version in infra/")
    return _GROUP.ok(f"{name} is supported until {ENDS[version]}", where)


def pins(text: str, python: tuple[int, int]) -> Iterator[tuple[str, Version]]:
    """The packages that a requirements file installs with this Python on Linux, where the app runs."""
    environment = _environment(python)
    for line in text.splitlines():
        if found := _PIN.match(line):
            name, pinned, marker = found.groups()
            try:
                if not marker or Marker(marker.strip()).evaluate(environment):
                    yield canonicalize_name(name), Version(pinned)
            except (InvalidMarker, InvalidVersion):
                continue


def _environment(python: tuple[int, int]) -> dict[str, str]:
    """What markers read of the app's platform."""
    short = f"{python[0]}.{python[1]}"
    version = {"python_version": short, "python_full_version": f"{short}.0"}
    return {**version, "sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}


def _of_lock(folder: Path, python: tuple[int, int]) -> Diagnoses:
    try:
        locked = dict(pins((folder / LOCK).read_text(encoding="utf-8"), python))
    except (OSError, UnicodeDecodeError):
        yield _GROUP.error(
            f"{LOCK} cannot be read: without it, nothing can be published", str(folder), "run `make lock`"
        )
        return
    yield _of_functions(locked.get("azure-functions"))
    for name in sorted(locked.keys() & {"azure-functions-worker", "azure-functions-runtime-v1"}):
        yield _GROUP.error(
            f"{name} is deployed: it replaces parts of Azure's own worker", LOCK, f"remove it from {INPUT}"
        )
    others = list(_unlike_lock(folder, locked, _environment(python)))
    yield from others
    if not others:
        yield _GROUP.ok(f"{len(locked)} packages are pinned, as {INPUT} asks", LOCK)
    yield from _not_installed(locked)


def _of_functions(version: Version | None) -> Diagnosis:
    if version is None:
        return _GROUP.error("azure-functions is not pinned", LOCK, "run `make lock`")
    if version < Version("1.25") or Version("2") <= version < Version("2.1"):
        what = f"azure-functions {version} does not know CloudEvents"
        return _GROUP.error(what, LOCK, "use 1.25 or newer, with Python 3.13 2.1 or newer: `make lock`")
    return _GROUP.ok(f"azure-functions {version}", LOCK)


def _unlike_lock(folder: Path, locked: dict[str, Version], environment: dict[str, str]) -> Diagnoses:
    """Requirements that the lock does not answer: somebody has changed one file, and not the other."""
    try:
        lines = (folder / INPUT).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        yield _GROUP.warning(f"there is no {INPUT} from which {LOCK} was made", str(folder))
        return
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text or text.startswith("-"):
            continue
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            yield _GROUP.error(f"{text} is not a requirement", f"{INPUT}:{number}")
            continue
        pinned = locked.get(canonicalize_name(wanted.name))
        applies = wanted.marker is None or wanted.marker.evaluate(environment)
        if applies and (pinned is None or pinned not in wanted.specifier):
            found = f"{LOCK} has {pinned}" if pinned else f"{LOCK} lacks it"
            yield _GROUP.error(f"{wanted} is required, and {found}", f"{INPUT}:{number}", "run `make lock`")


def _not_installed(locked: dict[str, Version]) -> Diagnoses:
    """Packages that differ on this machine from what is deployed: what was tried here is not what will run."""
    different = []
    for name, version in locked.items():
        try:
            installed = Version(metadata.version(name))
        except (metadata.PackageNotFoundError, InvalidVersion):
            continue  # it is for the app's platform, or not installed yet
        if installed != version:
            different.append(f"{name} {installed}, deployed is {version}")
    if different:
        more = f" and {len(different) - 3} more" if different[3:] else ""
        text = f"packages differ on this machine: {'; '.join(different[:3])}{more}"
        yield _GROUP.warning(text, LOCK, "run `make install`")
