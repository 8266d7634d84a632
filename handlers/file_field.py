"""`FileName`: a setting that names a file or a folder, such as a job definition or a folder with code.

The name is relative to the folder of the rules file, or else to the app's folder. Handlers do not know these folders:
dispatch.rules.load passes both as pydantic's validation context, under the key `FOLDERS`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import ValidationInfo

FOLDERS = "folders"
APP_FOLDER = Path(__file__).resolve().parents[1]  # unless the context names others

WHERE = "name one beside the rules file, or from the app's folder"


class FileName(str):
    """The name of a file or a folder, as the rule has it, with the path that it resolves to."""

    __slots__ = ("folders", "path")
    path: Path
    folders: tuple[Path, ...]

    @classmethod
    def of(cls, name: str, info: ValidationInfo | None = None) -> Self:
        """Resolve a name, in a pydantic validator; a FileName without `info` is returned unchanged.

        If the file exists in no folder, its path is in the last folder, the app's.
        """
        if info is None and isinstance(name, cls):
            return name
        named = cls(name)
        named.folders = tuple(folder.resolve() for folder in _folders(info))
        paths = [folder / name for folder in named.folders]
        named.path = next(filter(Path.exists, paths), paths[-1]).resolve()
        return named

    @property
    def is_inside(self) -> bool:
        """Is the path in one of the folders, after following links and ``..``?"""
        return any(self.path.is_relative_to(folder) for folder in self.folders)


def path_of(name: str) -> Path:
    """The path of a file that a rule names."""
    return FileName.of(name).path


def _folders(info: ValidationInfo | None) -> Sequence[Path]:
    return ((info and info.context) or {}).get(FOLDERS) or (APP_FOLDER,)
