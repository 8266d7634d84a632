"""Watch the files from which an app is loaded: its code, its rules and its settings."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

_SUFFIXES = (".py", ".yaml", ".yml")
_NAMES = {"host.json", "local.settings.json"}
_SKIPPED = {"node_modules", "__pycache__"}  # and folders whose names begin with a dot
_PAUSE = 1.0  # seconds between two looks
_SETTLE = 0.3  # seconds without a change, before the change counts: an editor or git writes several files

Snapshot: TypeAlias = dict[Path, tuple[int, int]]  # the time of change in ns, and the size


class Watch:
    """The files of an app, as they were when last looked at.

    Folders that .funcignore lists by their names are skipped: the app in Azure does not have them. `others` are folders
    that are watched in any case, such as that of the rules.
    """

    def __init__(self, app_dir: Path, others: Sequence[Path] = ()) -> None:
        self._app_dir, self._others = app_dir, others
        self._known = self._scan()

    async def change(self) -> list[Path]:
        """Wait until files have been changed, created or deleted, and no others are; returns them in order."""
        while True:
            await asyncio.sleep(_PAUSE)
            found = await asyncio.to_thread(self._scan)
            if found == self._known:
                continue
            while True:
                await asyncio.sleep(_SETTLE)
                again = await asyncio.to_thread(self._scan)
                if again == found:
                    break
                found = again
            before, self._known = self._known, found
            return sorted(path for path in before.keys() | found.keys() if before.get(path) != found.get(path))

    def _scan(self) -> Snapshot:
        ignored = {self._app_dir / name for name in _ignored(self._app_dir)}
        found = dict(_files(self._app_dir, ignored))
        for folder in self._others:
            found.update(_files(folder, set()))
        return found


def _files(folder: Path, ignored: set[Path]) -> Iterator[tuple[Path, tuple[int, int]]]:
    for root, folders, names in os.walk(folder):
        at = Path(root)
        folders[:] = [
            name for name in folders if not (name.startswith(".") or name in _SKIPPED or at / name in ignored)
        ]
        for name in names:
            if name.endswith(_SUFFIXES) or name in _NAMES:
                try:
                    state = (at / name).stat()
                except OSError:  # deleted meanwhile, or a broken link
                    continue
                yield at / name, (state.st_mtime_ns, state.st_size)


def _ignored(app_dir: Path) -> Iterator[str]:
    """The folders that .funcignore lists by name."""
    try:
        lines = (app_dir / ".funcignore").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        name = line.strip().strip("/")
        if name and not name.startswith(("#", "!")) and "*" not in name and (app_dir / name).is_dir():
            yield name
