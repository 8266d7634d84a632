"""Model versions: ModelTagged, ModelArchived and ModelRestored in workspaces, RegistryModelRegistered in registries.

Lists of the model names, page by page, and of the newest versions of each name (learn.microsoft.com/rest/api/azureml,
"Model Containers", "Model Versions", "Registry Model Containers", "Registry Model Versions"). What is known of a name
is one row of shared state. Each look continues where the last one ended (`dispatch.watch.walk`), so that its cost does
not grow with the number of models. Nothing is raised before a walk has come to the end.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from dispatch.inbox.errors import StorageError
from dispatch.watch.memory import FULL_OUTBOX, MOST, Known, Memory, Step, Wire, bounded, fits
from dispatch.watch.registered import registered_tags
from dispatch.watch.scope import Look
from dispatch.watch.seen import event_of, stamp
from dispatch.watch.walk import Walk
from handlers.azure.listed import Listed, text, texts
from handlers.azure.lists import OutOfRequests, segment
from schemas.events.watched.base import RegistryId
from schemas.events.watched.models import (
    ModelArchived,
    ModelRestored,
    ModelTagged,
    ModelVersionEvent,
    RegistryModelRegistered,
)

TYPES = (ModelTagged, ModelArchived, ModelRestored, RegistryModelRegistered)
MOST_VERSIONS = 100  # of a name that are watched: the newest
MOST_ERRORS = 3  # of single models, after which a look ends

_FORGET = 3  # consecutive looks in which a version is missing before it is forgotten: a list can miss one
_ALL = {"listViewType": "All"}
_NEWEST = {**_ALL, "$orderBy": "createdtime desc"}  # as azure-ai-ml asks for the latest version


class _State(NamedTuple):
    """What is known of a model version: the service's time of its last change, and what can change."""

    at: str
    archived: bool
    stage: str
    tags: dict[str, str]
    gone: int = 0  # consecutive looks in which it was missing

    @classmethod
    def of(cls, listed: Listed) -> "_State":
        properties = listed.properties
        archived, stage = properties.get("isArchived") is True, text(properties.get("stage"))
        return cls(stamp(listed.modified), archived, stage, texts(properties.get("tags")))

    def is_as(self, other: "_State") -> bool:
        return self[1:4] == other[1:4]


def look_at_models(look: Look) -> int:
    """Look at the next models; returns the number of events. One that cannot be read does not stop the others."""
    walk, raised, read = Walk(look, "models"), 0, 0
    errors: dict[str, Exception] = {}
    with walk.resources(f"{look.path}/models", _ALL) as models:
        for model in models:
            try:
                raised += _look_at(model.name, look, raises=walk.complete)
                read += 1
            except (OutOfRequests, StorageError):
                raise
            except Exception as error:
                errors[model.name] = error
                if len(errors) == MOST_ERRORS:
                    break
    for name, problem in errors.items():
        if not read:
            raise problem
        look.log_problem(f"model {name} cannot be read: {problem}")
    return raised


def _look_at(name: str, look: Look, *, raises: bool) -> int:
    memory = Memory.of(look.app, "models", *look.resource.key, name)
    versions = _versions(name, look)
    known = memory.known() or {}
    recorded = _recorded_tags(name, [each for each in versions if each not in known], look) if raises else {}
    comparison = _Comparison(name, versions, recorded, look)

    def compare(known: Known | None) -> Step:
        return comparison.step(known or {}) if raises else Step(comparison.all())

    return memory.observe(compare, look.began)


def _versions(name: str, look: Look) -> dict[str, Listed]:
    """The newest versions."""
    found: dict[str, Listed] = {}
    for body in look.lists.items_if_any(f"{look.path}/models/{segment(name)}/versions", _NEWEST):
        if version := Listed.of(body):
            found[version.name] = version
        if len(found) == MOST_VERSIONS:
            break
    return found


def _recorded_tags(name: str, versions: Sequence[str], look: Look) -> dict[str, Mapping[str, str]]:
    """The tags with which versions were registered that are seen for the first time, as far as they are on record."""
    if ModelTagged.__name__ not in look.types:
        return {}
    found = {version: registered_tags(look, name, version) for version in versions[:MOST]}
    return {version: tags for version, tags in found.items() if tags is not None}


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Compares the listed versions of a model with what is known of them."""

    name: str
    versions: Mapping[str, Listed]
    recorded: Mapping[str, Mapping[str, str]]  # tags at registration
    look: Look

    def all(self) -> Known:
        """What is listed."""
        return self._fitting({version: _State.of(listed) for version, listed in self.versions.items()})

    def step(self, known: Known) -> Step:
        """The next step from what is known to what is listed; at most MOST versions change in one step."""
        after = {version: _State(*state) for version, state in known.items()}
        events: list[Wire] = []
        changes = 0
        for version, listed in self.versions.items():
            was, now = after.get(version), _State.of(listed)
            if was and (was == now or (now.at and now.at < was.at)):  # the same, or a list that is older
                continue
            if changes == MOST:
                return Step(self._fitting(after), events, more=True)
            new = [bounded(event, self.look.log_problem) for event in self._events(version, listed, was, now)]
            if events and not fits({"events": [*events, *new]}, FULL_OUTBOX):
                return Step(self._fitting(after), events, more=True)
            changes += 1
            after[version] = now
            events += new
        for version in known.keys() - self.versions.keys():
            gone = after[version].gone + 1
            after[version] = after[version]._replace(gone=gone)
            if gone >= _FORGET or len(self.versions) == MOST_VERSIONS:
                del after[version]
        return Step(self._fitting(after), events)

    def _fitting(self, states: Mapping[str, _State]) -> Known:
        """As many of these as one row can hold: the newest."""
        order = [*(each for each in self.versions if each in states), *(states.keys() - self.versions.keys())]
        count = len(order)
        while not fits(kept := {version: list(states[version]) for version in order[:count]}):
            count = count * 9 // 10
        if count < len(order):
            self.look.log_problem(f"of model {self.name}, only {count} versions are watched: the tags are too large")
        return kept

    def _events(self, version: str, listed: Listed, was: _State | None, now: _State) -> Iterator[Wire]:
        wanted = self.look.types
        if isinstance(self.look.resource, RegistryId):
            if was is None:
                yield self._event(RegistryModelRegistered, version, listed, listed.created)
            return
        # A service that gives the change no time of its own would repeat the id of an earlier change.
        began = self.look.began.isoformat() if was and now.at <= was.at else ""
        if was is None and version in self.recorded:
            was = _at_registration(self.recorded[version], now)
        if was is None or was.is_as(now):
            return
        if (was.tags, was.stage) != (now.tags, now.stage) and ModelTagged.__name__ in wanted:
            yield self._event(ModelTagged, version, listed, listed.modified, began, **_difference(was, now))
        if was.archived != now.archived:
            kind: type[ModelVersionEvent] = ModelArchived if now.archived else ModelRestored
            if kind.__name__ in wanted:
                yield self._event(kind, version, listed, listed.modified, began)

    def _event(
        self,
        kind: type[ModelVersionEvent],
        version: str,
        listed: Listed,
        at: datetime | None,
        apart: str = "",
        **more: Any,
    ) -> Wire:
        properties, look = listed.properties, self.look
        data = {
            "modelName": self.name,
            "modelVersion": version,
            "modelTags": texts(properties.get("tags")),
            "modelProperties": texts(properties.get("properties")),
            "stage": text(properties.get("stage")) or None,
        }
        return event_of(kind, look.resource, f"models/{self.name}:{version}", at, {**data, **more}, apart)


def _at_registration(tags: Mapping[str, str], now: _State) -> _State:
    """The state of a version when it was registered, by its event, in which the names of tags have another case."""
    names = {name.casefold(): name for name in now.tags}
    spelled = {names.get(name.casefold(), name): value for name, value in tags.items()}
    return now._replace(at="", archived=False, stage="" if spelled != now.tags else now.stage, tags=spelled)


def _difference(was: _State, now: _State) -> dict[str, Any]:
    return {
        "changedTags": {name: value for name, value in now.tags.items() if was.tags.get(name) != value},
        "removedTags": {name: value for name, value in was.tags.items() if name not in now.tags},
        "previousTags": was.tags,
        "previousStage": was.stage or None,
    }
