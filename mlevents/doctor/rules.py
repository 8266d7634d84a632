"""Rules and handlers: what the loader, the previews and the handlers find, and the packages that handlers import."""

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from dispatch.secrets import Secrets
from mlevents.doctor.diagnosis import Diagnoses, Diagnosis, Group, Subject
from mlevents.doctor.runtime import INPUT, LOCK, pins
from mlevents.findings import Finding, Summary, of_loader
from mlevents.previews import Preview, of_handlers, previews
from mlevents.project.first_files import has_only_first_files

_RULES, _HANDLERS = Group("rules"), Group("handlers")


def check(subject: Subject) -> Diagnoses:
    """Check the rules as `mlevents check` does, and the packages of the app's own handlers."""
    if subject.rules is None:  # a setting or host.json keeps them from being loaded: that group says which
        return
    rules = subject.rules
    found = of_loader(rules)
    found += [
        each for each in previews(rules, Secrets.of_settings(subject.environment)) if not isinstance(each, Preview)
    ]
    yield from (_diagnosis(_RULES, each, "`mlevents check` shows it beside what each rule would do") for each in found)
    folder = subject.folder / (subject.environment.get("MLEVENTS_RULES") or "rules")
    if has_only_first_files(folder):
        yield _RULES.warning("the rules are the project's examples", folder.name, "`mlevents init` writes yours")
    elif not any(each.severity == "error" for each in found):
        yield _RULES.ok(Summary.of(rules, found).text, folder.name)
    of_settings = [
        _diagnosis(_HANDLERS, each, "see the page of the handler in docs/handlers") for each in of_handlers(rules)
    ]
    yield from of_settings
    own = sorted({rule.do.partition(":")[0] for rule in rules.by_name.values() if ":" in rule.do})
    missing = [each for module in own for each in _packages(subject.folder, module)]
    yield from missing
    if not missing and not of_settings:
        kinds = sorted({rule.do for rule in rules.by_name.values()})
        yield _HANDLERS.ok(f"{', '.join(kinds) or 'none'}: they can be imported, and their settings are valid")


def _diagnosis(group: Group, finding: Finding, to_do: str) -> Diagnosis:
    where = ":".join(str(part) for part in (finding.file, finding.line) if part is not None)
    return Diagnosis(group.name, finding.severity, finding.message, where, finding.hint or to_do)


def _packages(folder: Path, module: str) -> Diagnoses:
    """Packages that a handler's own package imports, and that Azure would not install."""
    top = module.partition(".")[0]
    place = folder / top
    files = sorted(place.rglob("*.py")) if place.is_dir() else [folder / f"{top}.py"]
    files = [file for file in files if file.is_file()]
    if not files:
        return  # it is a part of the app, or an installed package
    yield from _collisions(top)
    try:
        text = (folder / LOCK).read_text(encoding="utf-8")
    except OSError:  # reported with the runtime
        return
    locked, known = {name for name, _ in pins(text, sys.version_info[:2])}, _distributions()
    for file in files:
        for line, name in _imports(file):
            names = {canonicalize_name(each) for each in known.get(name, [name])}
            if not (name in sys.stdlib_module_names or names & locked or _is_in(folder, name)):
                text = f"{name} is imported, and {LOCK} does not install it: the rule fails in Azure"
                to_do = f"add {min(names)} to {INPUT}, then `make lock`"
                yield _HANDLERS.error(text, f"{file.relative_to(folder).as_posix()}:{line}", to_do)


@cache
def _distributions() -> Mapping[str, list[str]]:
    """The installed distributions by top-level name; to read them takes a second."""
    return packages_distributions()


def _is_in(folder: Path, name: str) -> bool:
    return (folder / name).is_dir() or (folder / f"{name}.py").is_file()


def _collisions(top: str) -> Diagnoses:
    """An own package that is called like an installed one, which Python would import in its place."""
    if distributions := _distributions().get(top):
        text = f"the package {top} is called like one of {distributions[0]}, which Azure imports in its place"
        yield _HANDLERS.error(text, top, "rename your package")


def _imports(file: Path) -> Iterator[tuple[int, str]]:
    """The top-level names that a file imports, each once, with its first line."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SyntaxError):  # the loader reports it
        return
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in names:
            found.setdefault(name.partition(".")[0], getattr(node, "lineno", 0))
    yield from ((line, name) for name, line in found.items())
