"""The first line of a YAML file, which names the schema for editors."""

import os
from pathlib import Path

from mlevents import PROJECT

FOLDER = "docs/schemas"
MARK = "# yaml-language-server: $schema="


def schema_line(file: Path, kind: str) -> str:
    """The first line of a file of this kind: rules, workspaces or tests. The schema is that of the app around it."""
    app = next((folder for folder in file.absolute().parents if (folder / FOLDER).is_dir()), PROJECT)
    schema = app / FOLDER / f"{kind}.schema.json"
    return f"{MARK}{Path(os.path.relpath(schema, file.absolute().parent)).as_posix()}\n"
