"""Tags and names of experiments, within Azure ML's limits.

The limits: learn.microsoft.com, "Manage and increase quotas", limits of runs and of experiments.
"""

import re
from collections.abc import Mapping

MAX_TAGS, MAX_KEY, MAX_VALUE = 50, 100, 1_000  # tags of a run; characters of a tag's name and of its value
_MAX_EXPERIMENT = 255  # characters


def fit_tags(*groups: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Merge groups of tags within the limits; return the tags, and the names of those that were cut or left out.

    If two groups have the same tag, the earlier group's value counts. If there are too many, the last ones are left
    out.
    """
    tags: dict[str, str] = {}
    cut: list[str] = []
    for name, value in ((name, value) for group in groups for name, value in group.items()):
        key, text = name[:MAX_KEY], value[:MAX_VALUE]
        if key in tags:
            continue
        if len(tags) < MAX_TAGS:
            tags[key] = text
        if key not in tags or (key, text) != (name, value):
            cut.append(key)
    return tags, cut


def experiment_name(text: str, suffix: str = "") -> str:
    """Make a valid name of an experiment from a text: letters, digits, - and _, with no - or _ at the start.

    A `suffix` is kept whole, after a hyphen; the text before it is cut.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")
    name = name[: _MAX_EXPERIMENT - len(suffix) - 1].rstrip("-_") if suffix else name[:_MAX_EXPERIMENT]
    return "-".join(filter(None, (name, suffix)))
