"""What would be published: the files that .funcignore leaves, their sizes, and secrets among them.

.funcignore is read as `func azure functionapp publish` reads it: Azure/azure-functions-core-tools, GitIgnoreParser.cs.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from mlevents.doctor.diagnosis import Diagnoses, Group, Subject

FILE = ".funcignore"
NEEDED = ("host.json", "function_app.py", "requirements.txt", "dispatch", "handlers", "schemas", "web")

_GROUP = Group("published")
_TOTAL, _SINGLE = 50 * 2**20, 10 * 2**20  # bytes
_SECRET = re.compile(
    r"local\.settings\.json|\.env(\..+)?|.+\.(pem|pfx|p12|key|jks|publishsettings|kdbx)|id_(rsa|ed25519|ecdsa)"
    r"|credentials(\.json)?|\.netrc|secrets?\.(json|ya?ml|toml)|terraform\.tfstate",
    re.IGNORECASE,
)
_SHOWN = 3  # names in one line


def check(subject: Subject) -> Diagnoses:
    """Check the files below the app's folder. Reads their names and sizes only."""
    folder, where = subject.folder, str(subject.folder)
    patterns = _patterns(folder)
    if patterns is None:
        yield _GROUP.warning(
            f"there is no {FILE}: everything in the folder is published", where, "restore the project's file"
        )
    sizes = dict(_files(folder, patterns or []))
    found = [*_needed(subject, sizes), *_unwanted(subject, sizes), *_large(sizes)]
    yield from found
    if not any(each.severity == "error" for each in found):
        total = sum(sizes.values())
        yield _GROUP.ok(f"{len(sizes)} files of {_size(total)}, with no secrets by their names", where)


def _patterns(folder: Path) -> list[re.Pattern[str]] | None:
    """The lines of .funcignore; Core Tools compares the beginning of a path with each."""
    try:
        lines = [line.strip() for line in (folder / FILE).read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        return None
    kept = (line.removeprefix("/") for line in lines if line and line[0] not in "#!")
    escaped = (re.sub(r"[-\[\]/{}()+?.\\^$|]", r"\\\g<0>", line) for line in kept)
    return [re.compile(f"({text.replace('**', '(.+)').replace('*', '([^/]+)')})\\b", re.ASCII) for text in escaped]


def _files(folder: Path, patterns: list[re.Pattern[str]]) -> Iterator[tuple[str, int]]:
    """The files that are published, with their sizes. Does not look into folders that are not."""
    for place, folders, names in os.walk(folder):
        base = Path(place).relative_to(folder).as_posix()
        prefix = "" if base == "." else f"{base}/"
        folders[:] = sorted(name for name in folders if not _ignored(f"{prefix}{name}", patterns) and name != ".git")
        for name in sorted(names):
            if not _ignored(f"{prefix}{name}", patterns):
                try:
                    yield f"{prefix}{name}", (Path(place) / name).lstat().st_size
                except OSError:
                    continue  # it is gone


def _ignored(path: str, patterns: list[re.Pattern[str]]) -> bool:
    return any(pattern.match(path) for pattern in patterns)


def _needed(subject: Subject, sizes: dict[str, int]) -> Diagnoses:
    rules = Path(subject.environment.get("MLEVENTS_RULES") or "rules")
    for name in (*NEEDED, rules.as_posix()):
        if Path(name).is_absolute() or not any(path == name or path.startswith(f"{name}/") for path in sizes):
            text = f"{name} is not published: the app cannot run without it"
            yield _GROUP.error(text, FILE, f"keep it in the app's folder, and out of {FILE}")
    tests = [path for path in sizes if path.startswith(f"{rules.as_posix()}/tests/")]
    if tests:
        text = f"{len(tests)} tests of rules are published, which the app does not read"
        yield _GROUP.warning(text, _names(tests), f"add the line /{rules.as_posix()}/tests to {FILE}")


def _unwanted(subject: Subject, sizes: dict[str, int]) -> Diagnoses:
    secret = [path for path in sizes if _SECRET.fullmatch(path.rpartition("/")[2])]
    if secret:
        text = f"{len(secret)} of the published files may hold secrets"
        yield _GROUP.error(text, _names(secret), f"add a line with / and its path to {FILE}; rotate what was published")
    for name in ("node_modules", ".venv", "venv", ".git", ".mlevents", "tests"):
        inside = [path for path in sizes if path.startswith(f"{name}/")]
        if inside:
            text = f"{len(inside)} files of {name} are published, which the app does not need"
            yield _GROUP.warning(text, name, f"add the line /{name} to {FILE}")


def _large(sizes: dict[str, int]) -> Diagnoses:
    for path, size in sizes.items():
        if size > _SINGLE:
            to_do = f"add the line /{path} to {FILE}, or keep data in a storage account"
            yield _GROUP.warning(f"a file of {_size(size)} makes each cold start slower", path, to_do)
    if (total := sum(sizes.values())) > _TOTAL:
        text = f"{_size(total)} are published: each new instance downloads them"
        yield _GROUP.warning(
            text, _names(sorted(sizes, key=lambda path: -sizes[path])), f"see the largest; add lines to {FILE}"
        )


def _names(paths: list[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if paths[_SHOWN:] else ""
    return ", ".join(paths[:_SHOWN]) + more


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
