"""The lock files: requirements*.txt, which ``make lock`` compiles from requirements*.in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
APART = {  # what only some targets install, and a module of it
    "requirements-browser.txt": "playwright",  # `make test-browser`
    "requirements-docs.txt": "mkdocs",  # `make docs`
}
LOCKS = {
    "requirements.in": "requirements.txt",
    "requirements-dev.in": "requirements-dev.txt",
    "requirements-browser.in": "requirements-browser.txt",
    "requirements-docs.in": "requirements-docs.txt",
    "requirements-local.in": "requirements-local.txt",
}
_PIN = re.compile(
    r"^(?P<name>[\w.-]+)(?:\[[^]]*])?==(?P<version>[^\s;\\]+)(?: ; (?P<marker>[^\\]+?))?(?: \\)?$", re.MULTILINE
)

# Where the app is deployed and developed: the parts of environments that markers read.
ENVIRONMENTS = tuple(
    {"python_version": python, "python_full_version": f"{python}.0"} | platform
    for python in ("3.11", "3.12", "3.13")
    for platform in (
        {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
        {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
        {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
    )
)


@dataclass(frozen=True, slots=True)
class Pin:
    """One distribution in a lock file."""

    name: str  # canonical
    version: Version
    marker: str  # "" if it is installed everywhere
    hashes: tuple[str, ...]  # sha256, of each of its files
    inputs: tuple[str, ...]  # the input files that name it; empty if only other distributions need it

    @property
    def applies(self) -> bool:
        """Is it installed with this Python, on this platform?"""
        return self.applies_in({})

    def applies_in(self, environment: dict[str, str]) -> bool:
        """Is it installed in this environment? What it does not name is as here."""
        return not self.marker or Marker(self.marker).evaluate(environment)


def installed() -> list[str]:
    """The lock files whose distributions are installed."""
    return [lock for lock in LOCKS.values() if lock not in APART or find_spec(APART[lock])]


def read_lock(text: str) -> list[Pin]:
    """The pins of a lock file."""
    found = list(_PIN.finditer(text))
    ends = [*(each.start() for each in found[1:]), len(text)]
    return [_pin(each, text[each.end() : end]) for each, end in zip(found, ends, strict=False)]


def _pin(head: re.Match[str], rest: str) -> Pin:
    return Pin(
        name=canonicalize_name(head["name"]),
        version=Version(head["version"]),
        marker=(head["marker"] or "").strip(),
        hashes=tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})\b", rest)),
        inputs=tuple(re.findall(r"-r (\S+)", rest)),
    )


def read_input(text: str) -> list[Requirement]:
    """The requirements of an input file, without comments and options."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def problems(name: str, wanted: list[Requirement], lock: str) -> Iterator[str]:
    """What the text of a lock file lacks, or has too much: it or the input file `name` was changed by an editor."""
    pins = read_lock(lock)
    for requirement in wanted:
        if not all(_answered(requirement, pins, environment) for environment in ENVIRONMENTS):
            yield f"{name}: {requirement} has no pin in {LOCKS[name]} that it allows. Run `make lock`"
    for number, line in enumerate(lock.splitlines(), 1):
        if line[:1].strip() and line[0] != "#" and not _PIN.match(line):
            yield f"{LOCKS[name]}:{number}: {line} is not pinned. Write it into {name}, and run `make lock`"
    names = {canonicalize_name(requirement.name) for requirement in wanted}
    for pin in pins:
        if name in pin.inputs and pin.name not in names:
            yield f"{LOCKS[name]}: {pin.name} is pinned for {name}, which does not name it now. Run `make lock`"
        if not pin.hashes:
            yield f"{LOCKS[name]}: {pin.name} has no hash. Run `make lock`"


def _answered(requirement: Requirement, pins: list[Pin], environment: dict[str, str]) -> bool:
    """Does a pin satisfy the requirement in this environment, or is it not required there?"""
    if requirement.marker and not requirement.marker.evaluate(environment):
        return True
    name = canonicalize_name(requirement.name)
    return any(
        pin.name == name and pin.version in requirement.specifier and pin.applies_in(environment) for pin in pins
    )
