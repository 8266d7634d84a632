"""Tags and names of experiments, within Azure ML's limits."""

import re
from collections.abc import Mapping

MOST_TAGS, LONGEST_KEY, LONGEST_VALUE = 50, 100, 1_000
LONGEST_EXPERIMENT = 255  # learn.microsoft.com, "Manage and increase quotas", limits of runs and of experiments


def fit_tags(*groups: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Tags as the service takes them, and the names of those that were cut or left out.

    What an earlier group says counts, and is kept before what a later one adds.
    """
    tags: dict[str, str] = {}
    cut: list[str] = []
    for name, value in ((name, value) for group in groups for name, value in group.items()):
        key, text = name[:LONGEST_KEY], value[:LONGEST_VALUE]
        if key in tags:
            continue
        if len(tags) < MOST_TAGS:
            tags[key] = text
        if key not in tags or (key, text) != (name, value):
            cut.append(key)
    return tags, cut


def experiment_name(text: str, suffix: str = "") -> str:
    """A name that an experiment can have: letters, digits, - and _, and a letter or a digit first."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")
    name = name[: LONGEST_EXPERIMENT - len(suffix) - 1].rstrip("-_") if suffix else name[:LONGEST_EXPERIMENT]
    return "-".join(filter(None, (name, suffix)))
