"""Selecting calls: ``PUT */onlineEndpoints/churn/deployments/*``."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

_METHOD = re.compile(r"([A-Z*]+)\s+(.*)")
_PROVIDER = r".*/Microsoft\.MachineLearningServices/"
_INSIDE = re.compile(_PROVIDER + r"(?:(?:workspaces|registries)/[^/]+/)?(.+)", re.IGNORECASE)
_POLL = re.compile(r"/mfeOperation(Status|sStatus|Results)/", re.IGNORECASE)


def short(path: str) -> str:
    """The part of a path below the workspace or registry, or else below the provider; any other path as it is."""
    inside = _INSIDE.fullmatch(path)
    return inside[1] if inside else path


@dataclass(frozen=True, slots=True)
class Match:
    """A glob for paths, whole or short, optionally after a method; empty: every call except polls of operations.

    It ignores case. A ``*`` matches slashes, too: ``onlineEndpoints/*`` includes deployments.
    """

    text: str = ""

    def __call__(self, method: str, path: str) -> bool:
        """Whether a call matches."""
        if not self.text:
            return not _POLL.search(path)
        found = _METHOD.fullmatch(self.text)
        wanted, glob = (found[1], found[2]) if found else ("*", self.text)
        glob = glob.lower()
        return wanted in {"*", method.upper()} and any(fnmatchcase(p.lower(), glob) for p in (path, short(path)))
