"""Files that a rule names: the definition of a job, a request, a folder with code.

They are looked for beside the rules file, then from the app's folder. Handlers do not know where these are: whoever
loads the rules hands both over, as handlers/workspace_field.py says of workspaces, under the name `FOLDERS`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import ValidationInfo

FOLDERS = "folders"
APP_FOLDER = Path(__file__).resolve().parents[1]  # where it is, if nobody says

WHERE = "name one beside the rules file, or from the app's folder"


class FileName(str):
    """A file or a folder as a rule names it, and where that is."""

    __slots__ = ("folders", "path")
    path: Path
    folders: tuple[Path, ...]

    @classmethod
    def of(cls, name: str, info: ValidationInfo | None = None) -> Self:
        """For a pydantic validator; of one that is known already, itself. What is not there is in the app's folder."""
        if info is None and isinstance(name, cls):
            return name
        named = cls(name)
        named.folders = tuple(folder.resolve() for folder in _folders(info))
        paths = [folder / name for folder in named.folders]
        named.path = next(filter(Path.exists, paths), paths[-1]).resolve()
        return named

    @property
    def is_inside(self) -> bool:
        """Is it really in one of the folders, and not above them, or behind a link?"""
        return any(self.path.is_relative_to(folder) for folder in self.folders)


def path_of(name: str) -> Path:
    """Where a file is that a rule names."""
    return FileName.of(name).path


def _folders(info: ValidationInfo | None) -> Sequence[Path]:
    return ((info and info.context) or {}).get(FOLDERS) or (APP_FOLDER,)
