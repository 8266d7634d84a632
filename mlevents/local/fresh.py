"""Remove what earlier runs of `mlevents start` have left: the storage of Azurite, and mails."""

import shutil
from pathlib import Path

from mlevents.app_settings import BadFile
from mlevents.console import Console

_KEPT_BY_RUNS = {"azurite": "recorded events and queues", "mails": "mails"}  # folder -> what is in it


def remove_record(folder: Path, console: Console) -> None:
    """Remove the record and the mails in the folder of `mlevents start`, and print what was removed.

    Raises BadFile if the folder, or one in it, is a link: what it leads to may be elsewhere.
    """
    removed = []
    for name, content in _KEPT_BY_RUNS.items():
        path = folder / name
        for each in (folder, path):
            if each.is_symlink():
                raise BadFile(f"{each} is a link to {each.readlink()}: --fresh removes nothing there")
        if path.is_dir():
            shutil.rmtree(path)
            removed.append(f"{content} in {path}")
    console.print(f"removed: {', '.join(removed)}" if removed else f"there was nothing to remove in {folder}", "faint")
