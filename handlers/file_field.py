"""`FileName`: a setting that names a file or a folder, such as a job definition or a folder with code.

The name is relative to the folder of the rules file, or else to the app's folder. Handlers do not know these folders:
dispatch.rules.load passes both as pydantic's validation context, under the key `FOLDERS`.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from pydantic import ValidationInfo

from schemas.errors import shown

FOLDERS = "folders"
APP_FOLDER = Path(__file__).resolve().parents[1]  # unless the context names others

WHERE = "name one beside the rules file, or from the app's folder"
MAX_BYTES = 1_000_000  # of a file that a handler reads

_SETTINGS = "local.settings.json"  # the app settings of a developer's machine, with their secrets


class FileName(str):
    """The name of a file or a folder, as the rule has it, with the path that it resolves to."""

    __slots__ = ("folders", "path", "where")
    path: Path
    folders: tuple[Path, ...]
    where: str  # the advice for a file or folder that is not found

    @classmethod
    def of(cls, name: str, info: ValidationInfo | None = None) -> Self:
        """Resolve a name, in a pydantic validator; a FileName without `info` is returned unchanged.

        If the file exists in no folder, its path is in the last folder, the app's. Raises ValueError for a text that
        cannot be the name of a file.
        """
        if info is None and isinstance(name, cls):
            return name
        named = cls(name)
        named.where = WHERE
        named.folders = tuple(folder.resolve() for folder in _folders(info))
        paths = [folder / name for folder in named.folders]
        try:
            named.path = next(filter(Path.exists, paths), paths[-1]).resolve()
        except (OSError, ValueError) as error:  # such as a name that is too long for any file
            reason = getattr(error, "strerror", error)
            raise ValueError(f"{shown(name)} is not the name of a file: {reason}") from error
        return named

    @property
    def is_inside(self) -> bool:
        """Is the path in one of the folders, after following links and ``..``?"""
        return any(self.path.is_relative_to(folder) for folder in self.folders)

    @property
    def shown(self) -> str:
        """The path from the app's folder if it is in it, else the name as the rule has it."""
        app = self.folders[-1]
        return self.path.relative_to(app).as_posix() if self.path.is_relative_to(app) else str(self)

    def read(self, limit: int = MAX_BYTES) -> bytes:
        """The content of the file.

        Raises ValueError, with the name, for a file outside of the folders, for ``local.settings.json``, for anything
        that is not a regular file, and for a file that is missing, unreadable or larger than `limit` bytes.
        """
        self.check_inside("file")
        try:
            if self.path.exists() and not self.path.is_file():  # a read of a device or a pipe may never end
                raise ValueError(f"{str(self)!r} is not a regular file; {self.where}")
            with self.path.open("rb") as stream:
                content = stream.read(limit + 1)
        except OSError as error:
            raise ValueError(f"{str(self)!r} cannot be read: {error.strerror}; {self.where}") from error
        if len(content) > limit:
            raise ValueError(f"{str(self)!r} is larger than {limit:,} bytes")
        return content

    def check_folder(self) -> None:
        """Check that this is the name of a folder whose content may be uploaded.

        Raises ValueError, with the name, if it is outside of the folders, is not a folder, contains a
        ``local.settings.json``, as the app's own folder does, or a link that leads out of the folders: an upload
        follows links.
        """
        self.check_inside("folder")
        if not self.path.is_dir():
            raise ValueError(f"there is no folder {str(self)!r}; {self.where}")
        for path, target in _files_and_links(self.path):
            if target.name.casefold() == _SETTINGS:
                raise ValueError(
                    f"the folder {str(self)!r} contains {_SETTINGS}, whose settings are secret; name another one"
                )
            if not any(target.is_relative_to(folder) for folder in self.folders):
                raise ValueError(
                    f"the folder {str(self)!r} contains the link {path.relative_to(self.path)}, which leads out of the "
                    "app's folder; replace it by a copy"
                )

    def beside(self, name: str) -> Self:
        """The file or folder of a name that this file contains: relative to its folder."""
        named = type(self)(name)
        named.folders, named.path = self.folders, (self.path.parent / name).resolve()
        named.where = f"names in {self.shown} begin at its folder"
        return named

    def check_inside(self, noun: str) -> None:
        """Check that the path is in one of the folders, and is no ``local.settings.json``. Raises ValueError."""
        if not self.is_inside:
            example = "rules/jobs/retrain.yml" if noun == "file" else "rules/code"
            raise ValueError(f"{str(self)!r} is outside of the app's folder; name a {noun} in it, like {example}")
        if self.path.name.casefold() == _SETTINGS:
            raise ValueError(f"{str(self)!r} is {_SETTINGS}, whose settings are secret; name another {noun}")


def _files_and_links(folder: Path) -> Iterator[tuple[Path, Path]]:
    """The files in a folder and everything in it that is a link, each with its path after following links."""
    seen: set[Path] = set()
    for where, names, files in os.walk(folder, followlinks=True):
        here = Path(where)
        if (resolved := here.resolve()) in seen:  # a circle of links
            names.clear()
            continue
        seen.add(resolved)
        for name in (*names, *files):
            path = here / name
            if path.is_symlink():
                yield path, path.resolve()
            elif name in files:
                yield path, path


def path_of(name: str) -> Path:
    """The path of a file that a rule names."""
    return FileName.of(name).path


def _folders(info: ValidationInfo | None) -> Sequence[Path]:
    return ((info and info.context) or {}).get(FOLDERS) or (APP_FOLDER,)
