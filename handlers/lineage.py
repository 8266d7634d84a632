"""`Lineage`: which rule started the object of an event, so that no rule triggers itself in a loop.

A handler gives a job that it starts a name with the code of the rule and the depth: the number of starts in the chain.
The events of the job have that name as the run's id. The events of its steps and children have it as their parent, and
none of its tags (a step run has only ``azureml.pipelinerunid`` and similar tags); the children of a sweep or of AutoML
have it with ``_0``, ``_1`` … appended. A job behind a batch endpoint cannot be named, only its experiment: the
experiment's name then ends in the job's name. Tags carry the same information for everything else.

An event that a handler publishes has such a name, too: as a CloudEvents attribute, and as its id if it is an event of
its own rather than the event that arrived. If it comes back, it is known.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from schemas import Event, Tags

RULE_TAG, EVENT_TAG, DEPTH_TAG = "mlevents_rule", "mlevents_event", "mlevents_depth"
MARKER = "mleventsaction"  # the CloudEvents attribute; such names are lower-case letters and digits, at most 20
TAG_LIMIT = 1_000  # characters of a tag's value (learn.microsoft.com, "Manage and increase quotas", limits of runs)
MOST_DEPTH = 99  # the depth has at most two digits in a name

# Tags and properties in which the events of children, steps and models name their run.
_PARENTS = (
    "azureml.pipelinerunid",
    "azureml.rootpipelinerunid",
    "azureml.parentrunid",
    "azureml.rootrunid",
    "azureml.runid",
    "azureml.jobname",
    "azureml.artifactprefix",
    "mlflow.parentrunid",
    "mlflow.runid",
    "parentrunid",
    "rootrunid",
    "run_id",
    "runid",
    "job_name",
)
_NAME = re.compile(r"mle-(\d{1,2})-([0-9a-f]{8})-([0-9a-f]{32})(?![0-9a-f])", re.IGNORECASE)


class Lineage(NamedTuple):
    """The rule that started the object of an event, or published the event, and the number of starts in the chain."""

    rule: str  # its `rule_code`
    depth: int = 1
    is_published: bool = False  # did a handler publish the event itself?


def rule_code(rule: str) -> str:
    """A hash of a rule's name, eight hexadecimal digits: the name itself is too long for the name of a job."""
    return sha256(rule.encode()).hexdigest()[:8]


def job_name(rule: str, depth: int, key: UUID) -> str:
    """The name of a job that an action starts: 47 or 48 characters; lower-case letters, digits and hyphens."""
    return f"mle-{depth}-{rule_code(rule)}-{key.hex}"


def tags(rule: str, depth: int, event: str) -> dict[str, str]:
    """The tags of a job that an action starts.

    Their names are lower case, because Azure ML changes the case of other names when it publishes events, and have no
    dots, because Event Grid's filters cannot name a key with a dot.
    """
    return {RULE_TAG: rule, EVENT_TAG: event[:TAG_LIMIT], DEPTH_TAG: str(depth)}


def lineage_of(event: Event) -> Lineage | None:
    """The latest start in the chain that led to an event; None if no rule started its object or published it."""
    groups = [group for group in (event.tags, event.properties) if group]
    marks = map(_NAME.fullmatch, (event.id, str((event.model_extra or {}).get(MARKER, ""))))
    found = [Lineage(mark[2].casefold(), int(mark[1]), is_published=True) for mark in marks if mark]
    found += [Lineage(code.casefold(), int(depth)) for text in names_of_runs(event) for depth, code, _ in parts(text)]
    found += [lineage for group in groups if (lineage := _tagged(group))]
    return max(found, key=lambda lineage: lineage.depth, default=None)


def parts(text: str) -> list[tuple[str, str, str]]:
    """The depth, the rule's code and the action's key in every job name (`job_name`) that a text contains."""
    return _NAME.findall(text)


def names_of_runs(event: Event) -> Iterator[str]:
    """The names in the event that may be those of its run or of the runs that started it."""
    yield from event.chosen_names
    for group in filter(None, (event.tags, event.properties)):
        yield from (str(group[name]) for name in _PARENTS if name in group)


def _tagged(group: Tags) -> Lineage | None:
    rule, depth = group.get(RULE_TAG), str(group.get(DEPTH_TAG, "1"))
    if not isinstance(rule, str) or not rule:
        return None
    return Lineage(rule_code(rule), int(depth) if re.fullmatch(r"[0-9]{1,2}", depth) else 1)
