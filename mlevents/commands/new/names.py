"""The names of a new handler: its module, its class and its files."""

import ast
import re
import sys
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from keyword import iskeyword
from pathlib import Path

LONGEST = 50  # characters; longer names would not fit the lines of the templates
# Folders of this project that are no packages, or that are not published.
_OURS = {"benchmarks", "dispatch", "docs", "emulator", "handlers", "infra", "mlevents", "node_modules", "rules"}
_PROJECT = _OURS | {"function_app", "samples", "schemas", "tests", "web"}
_PART = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Names:
    """``acme.chat``: the class `Chat` in acme/chat.py, with its test in tests/acme/test_chat.py."""

    module: str
    name: str  # of the class

    @property
    def file(self) -> str:
        """The path of the handler in the app's folder."""
        return f"{self.module.replace('.', '/')}.py"

    @property
    def test(self) -> str:
        """The path of its test."""
        folder, _, name = self.file.rpartition("/")
        return f"tests/{folder}/test_{name}"

    @property
    def packages(self) -> dict[str, str]:
        """The paths of the ``__init__.py`` that make its folders and those of its test packages, and their contents."""
        parts = self.module.split(".")[:-1]
        folders = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        contents = {f"{folder}/__init__.py": f'"""Handlers of {parts[0]}."""\n' for folder in folders}
        return contents | {f"{folder}/__init__.py": "" for folder in ("tests", *(f"tests/{each}" for each in folders))}


def names_of(module: str, templates: tuple[str, ...], app: Path) -> Names:
    """The names of a handler in this module. Raises ValueError for a name that the app could not import."""
    if ":" in module:
        raise ValueError(f"{module!r}: leave out {module[module.index(':') :]}; the class is named after its module")
    parts = module.split(".")
    if len(parts) < 2:
        raise ValueError(f"{module!r} has no package: write your own before it, as in acme.{module or 'chat'}")
    for part in parts:
        _check(part, module)
    if len(module) > LONGEST:
        raise ValueError(f"{module!r} has {len(module)} characters; at most {LONGEST} are possible")
    _check_package(parts[0], app)
    name = "".join(word.capitalize() for word in parts[-1].split("_"))
    taken = {alias for text in templates for alias in _imported(text)}
    return Names(module, f"{name}Handler" if name in taken else name)


def _check(part: str, module: str) -> None:
    better = re.sub(r"[^a-z0-9_]+", "_", part.lower()).strip("_").lstrip("0123456789_")
    if not _PART.fullmatch(part):
        hint = f": write {better}" if better else ""
        raise ValueError(f"{part!r} in {module!r} is not made of small letters, digits and _, a letter first{hint}")
    if iskeyword(part):
        raise ValueError(f"{part!r} in {module!r} is a keyword of Python: write {part}_handler, for example")


def _check_package(package: str, app: Path) -> None:
    """Is it a folder that is published, and that no installed package of the same name hides?"""
    if package in _PROJECT:
        raise ValueError(f"{package}/ is a part of this project: choose a package of your own, such as acme")
    if package in sys.stdlib_module_names:
        raise ValueError(f"Python itself has a module {package!r}: choose another name for the package")
    if owners := packages_distributions().get(package):
        raise ValueError(
            f"the installed package {', '.join(sorted(set(owners)))} has a module {package!r}, which would be imported "
            "instead: choose another name for the package"
        )
    folder = app / package
    if folder.exists() and not (folder / "__init__.py").is_file():
        raise ValueError(f"{folder} exists and is not a package: choose another name, or add {package}/__init__.py")


def _imported(template: str) -> set[str]:
    """The names that a template's lines ``from … import …`` import."""
    lines = [line for line in template.splitlines() if line.startswith("from ") and "$" not in line]
    return {alias.name for line in lines for node in ast.parse(line).body for alias in getattr(node, "names", ())}
