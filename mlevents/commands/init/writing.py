"""Write files so that an interruption leaves none half written."""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


class Changed(Exception):  # noqa: N818 - the name says what has happened
    """A file was written by somebody else in the meantime."""


def write(texts: Mapping[Path, bytes], before: Mapping[Path, bytes]) -> None:
    """Write each file whole, beside its place, and then put all in place.

    `before` has the contents of the files that are replaced; no other file is. Raises Changed and OSError; then no
    file was put in place, unless a rename itself failed.
    """
    beside: dict[Path, Path] = {}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            target = path.resolve()  # a link stays a link
            beside[target] = target.with_name(f".{target.name}.new")
            beside[target].write_bytes(text)
            if target.exists():
                shutil.copymode(target, beside[target])
        for path in texts:
            found = path.read_bytes() if path.exists() else None
            if found != before.get(path):
                raise Changed(f"{path} has changed in the meantime; nothing was written")
        for target, new in beside.items():
            new.replace(target)
    finally:
        for new in beside.values():
            with suppress(OSError):
                new.unlink()
