"""Which calls something is about: ``PUT */onlineEndpoints/churn/deployments/*``."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

_METHOD = re.compile(r"([A-Z*]+)\s+(.*)")
_PROVIDER = r".*/Microsoft\.MachineLearningServices/"
_INSIDE = re.compile(_PROVIDER + r"(?:(?:workspaces|registries)/[^/]+/)?(.+)", re.IGNORECASE)
_POLL = re.compile(r"/mfeOperation(Status|sStatus|Results)/", re.IGNORECASE)


def short(path: str) -> str:
    """A path as from the workspace or the registry on; of what is in neither, as from the provider on, or whole."""
    inside = _INSIDE.fullmatch(path)
    return inside[1] if inside else path


@dataclass(frozen=True, slots=True)
class Match:
    """A glob for paths, whole or short, with or without a method before it; empty: all but look-ups of operations.

    Without regard to case. A ``*`` runs over slashes: ``onlineEndpoints/*`` is deployments, too.
    """

    text: str = ""

    def __call__(self, method: str, path: str) -> bool:
        """Is a call one of these?"""
        if not self.text:
            return not _POLL.search(path)
        found = _METHOD.fullmatch(self.text)
        wanted, glob = (found[1], found[2]) if found else ("*", self.text)
        glob = glob.lower()
        return wanted in {"*", method.upper()} and any(fnmatchcase(p.lower(), glob) for p in (path, short(path)))
