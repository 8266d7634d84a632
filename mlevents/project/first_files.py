"""The files in ``rules/`` that a clone of the project has, and that belong to the user from the first day.

They never change again. A file that the project deleted, moved or changed would conflict with the user's changes of it
when git merges a newer version: docs/upgrading.md.
"""

from hashlib import sha256
from pathlib import Path

FIRST_FILES = {  # SHA-256 of their contents
    "churn.yaml": "471a0c3a5165c6cfb8ffdc550a1f972971382db93fd3abbb0b136b218267dd7c",
    "workspaces.yaml": "c41377a7c09b47457f7747de978ea8eb3f7b4297822d34953ce1a81298083a26",
}


def is_first_file(path: Path, name: str) -> bool:
    """Is it a file that the project shipped, unchanged? False if it cannot be read."""
    try:
        return sha256(path.read_bytes()).hexdigest() == FIRST_FILES[name]
    except (OSError, KeyError):
        return False


def has_only_first_files(rules: Path) -> bool:
    """Are all YAML files of a folder with rules unchanged files of the project, so that it has no rule of the user?"""
    try:
        names = {path.name for path in rules.iterdir() if path.suffix.lower() in (".yaml", ".yml")}
    except OSError:
        return False
    return bool(names) and all(is_first_file(rules / name, name) for name in names)
