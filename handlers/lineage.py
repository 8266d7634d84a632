"""Whose doing an event is: what our handlers start carries where it came from, so that it does not start itself again.

A run that is started has a name that says which rule started it, and how many starts came before. Its own events carry
that name as the run's id; those of its steps and children carry it as their parent, and none of its tags (a step run's
only tags are ``azureml.pipelinerunid`` and the like); those of the children of a sweep or of AutoML carry it with
``_0``, ``_1`` … behind. Of a job behind a batch endpoint no name can be chosen but its experiment's, which then ends in
ours. Tags say the same where nothing else can.
"""

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from schemas import Event, RunCompleted, RunStatusChanged, Tags

RULE_TAG, EVENT_TAG, DEPTH_TAG = "mlevents_rule", "mlevents_event", "mlevents_depth"
TAG_LIMIT = 1_000  # characters of a tag's value (learn.microsoft.com, "Manage and increase quotas", limits of runs)
MOST_DEPTH = 99

# Where the events of children, steps and models name the run that they belong to.
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
_TAGGED = ("run_tags", "run_properties", "model_tags", "model_properties", "service_tags", "service_properties")


class Lineage(NamedTuple):
    """The start of something: by which rule, and as the how-manieth in a chain of starts."""

    rule: str  # as `rule_code` has it
    depth: int = 1


def rule_code(rule: str) -> str:
    """Eight hexadecimal digits that stand for a rule, since its name does not fit everywhere."""
    return sha256(rule.encode()).hexdigest()[:8]


def job_name(rule: str, depth: int, key: UUID) -> str:
    """The name of a job that an action starts: 47 or 48 characters, small letters, digits and hyphens."""
    return f"mle-{depth}-{rule_code(rule)}-{key.hex}"


def tags(rule: str, depth: int, event: str) -> dict[str, str]:
    """The tags of what an action starts.

    Small letters and no dots: the service changes the case of others as it publishes them, and Event Grid's filters
    cannot name a key with a dot.
    """
    return {RULE_TAG: rule, EVENT_TAG: event[:TAG_LIMIT], DEPTH_TAG: str(depth)}


def lineage_of(event: Event) -> Lineage | None:
    """Which of our starts an event comes from, the latest of them; None if it comes from none."""
    groups = [group for name in _TAGGED if isinstance(group := getattr(event.data, name, None), Tags) and group]
    found = [Lineage(code.casefold(), int(depth)) for text in _names(event, groups) for depth, code, _ in parts(text)]
    found += [lineage for group in groups if (lineage := _tagged(group))]
    return max(found, key=lambda lineage: lineage.depth, default=None)


def parts(text: str) -> list[tuple[str, str, str]]:
    """The depth, the rule's code and the key's digits of every job name of ours in a text."""
    return _NAME.findall(text)


def _names(event: Event, groups: list[Tags]) -> Iterator[str]:
    if isinstance(event, RunCompleted | RunStatusChanged):
        yield event.data.run_id
        yield event.data.experiment_name or ""
    for group in groups:
        yield from (str(group[name]) for name in _PARENTS if name in group)


def _tagged(group: Mapping[str, Any]) -> Lineage | None:
    rule, depth = group.get(RULE_TAG), str(group.get(DEPTH_TAG, "1"))
    if not isinstance(rule, str) or not rule:
        return None
    return Lineage(rule_code(rule), int(depth) if re.fullmatch(r"[0-9]{1,2}", depth) else 1)
