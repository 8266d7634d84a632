"""`Scope`: the keys that the events of one rule have, and the words for keys that they lack."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from dispatch.filters.condition import Condition
from dispatch.filters.keys import synonyms_of
from dispatch.rules.errors import closest, did_you_mean
from dispatch.rules.reading.app_settings import PREFIX
from dispatch.rules.workspaces import Workspace, Workspaces
from schemas import EVENT_NAMES, EVENT_TYPES, ResourceId
from schemas.alert import Alert
from schemas.envelope import CLOUD_EVENTS
from schemas.errors import shown
from schemas.events.known_keys import TEXT, Known, Type, known_keys, result_keys, with_events, workspace_keys
from schemas.events.registry import DRIFT_DETECTED

Path = Sequence[str | int]
WorkspaceScopes = Callable[[type[ResourceId]], Known]  # the keys of the workspaces, or of resources of another type

ANY_LABELS = Known(Type.OBJECT, always=True, others=TEXT)
_ELSEWHERE = {  # keys of other schemas and habits -> ours
    **{theirs: ours for ours, theirs in CLOUD_EVENTS.items()},
    "status": "data.runStatus",
    "run_id": "data.runId",
    "tags": "data.runTags",
    "properties": "data.runProperties",
    "event_type": "eventType",
}


@dataclass(frozen=True, slots=True, order=True)
class EventKind:
    """The events of a type, or of those only the ones that report drift."""

    type_name: str
    has_drift: bool = False


def kinds_of(name: str) -> set[EventKind]:
    """The events that a name in `on` stands for."""
    return {EventKind(event.type_name(), name == DRIFT_DETECTED) for event in EVENT_NAMES[name]}


def every_kind() -> set[EventKind]:
    """The events of every type."""
    return {EventKind(name) for name in EVENT_TYPES}


@dataclass(frozen=True)
class Scope:
    """The known keys of each type of event on which a rule acts, by the name of the type."""

    roots: Mapping[str, Known]
    follows: bool = False  # has the rule `after`?

    @classmethod
    def of(cls, kinds: Iterable[EventKind], workspaces: WorkspaceScopes, result: Known | None) -> "Scope":
        """The scope of a rule that acts on these events. `workspaces` has the keys of its workspaces."""
        roots = {}
        for kind in sorted(kinds):
            event = EVENT_TYPES[kind.type_name]
            workspace = workspaces(event.resource_id)
            root = known_keys(event, has_drift=kind.has_drift, workspace=workspace, result=result)
            roots[event.__name__] = root  # that of all events replaces that of events with drift
        return cls(roots, result is not None)

    @classmethod
    def of_alerts(cls, workspaces: Workspaces | None) -> "Scope":
        """The scope of `alerts`: alerts of the app, and events whose action failed, with its result."""
        nowhere = workspace_keys(Known(Type.OBJECT, always=True))
        alert = known_keys(Alert, has_drift=False, workspace=nowhere)
        everywhere = partial(workspace_scope, None, workspaces)
        events = cls.of(every_kind(), everywhere, result_keys((), ("failed",)))
        return cls({Alert.__name__: alert, **events.roots}, follows=True)

    def with_events(self) -> "Scope":
        """The scope of templates of a rule that acts once for several events: with `events`, their views."""
        events = with_events(self.roots.values())
        roots = {name: replace(root, members={**root.members, "events": events}) for name, root in self.roots.items()}
        return replace(self, roots=roots)

    def find(self, path: Path) -> dict[str, Known]:
        """What is known of a key, by the event types that have it."""
        found = {name: root.find(path) for name, root in self.roots.items()}
        return {name: known for name, known in found.items() if known is not None}

    def narrowed(self, conditions: Iterable[Condition]) -> "Scope":
        """The scope of the events for which these conditions can hold."""
        conditions = list(conditions)
        roots = {name: root for name, root in self.roots.items() if all(can_hold(each, root) for each in conditions)}
        if any(each.key.casefold().startswith("drift") and not each.matches({"drift": None}) for each in conditions):
            for name, root in roots.items():
                drift = replace(root.members["drift"], always=True)
                roots[name] = replace(root, members={**root.members, "drift": drift})
        required = {each.key.split(".", 2)[-1].casefold() for each in conditions if _requires_label(each)}
        if required:
            roots = {name: _with_labels(root, required) for name, root in roots.items()}
        return replace(self, roots=roots)

    @cached_property
    def _paths(self) -> dict[str, None]:
        return {path: None for root in self.roots.values() for path in root.paths()}

    @property
    def subject(self) -> str:
        """The types of the scope, as the subject of a sentence that denies something."""
        names = [*self.roots]
        if Alert.__name__ in self.roots:
            return "no alert"
        if len(names) < 2:
            return names[0] if names else "no event"
        return f"neither {', '.join(names[:-1])} nor {names[-1]}" if len(names) < 4 else "no event type of this rule"

    def lacks(self, path: Path) -> tuple[str, str | Callable[[], str]]:
        """The error about a key that no event of the scope has: the message, and a hint or what finds it."""
        names, key = [str(part) for part in path], written(path)
        first = names[0].casefold()
        if first == "result" and not self.follows:
            return f"there is no {key}: only rules with 'after' have a result", "Write after in place of on."
        if first == "events" and not any("events" in root.members for root in self.roots.values()):
            only = "only templates of rules with 'collect' or 'at_least' have events"
            return f"there is no {key}: {only}", "Write collect: 15m in the rule, for one action for many events."
        if (
            first == "drift"
            and len(names) > 1
            and not any(root.members["drift"].members for root in self.roots.values())
        ):
            reporting = [event.__name__ for event in EVENT_TYPES.values() if event.reports_drift]
            verb = "report" if len(self.roots) > 1 else "reports"
            message = f"{joined(self.roots)} never {verb} drift, so there is no {key}"
            return message, f"Write on: {DRIFT_DETECTED}, or one of the types that report drift: {joined(reporting)}."
        if [name.casefold() for name in names[:2]] == ["workspace", "labels"] and len(names) == 3:
            return f"no workspace of this rule has a label {shown(names[2])}", partial(self.hint, path)
        named = [count for count in range(1, len(path)) if isinstance(path[count], str)]
        whole = next((count for count in named if (found := self.find(path[:count])) and _has_no_keys(found)), 0)
        if whole:
            types = dict.fromkeys(known.type.value for known in self.find(path[:whole]).values())
            return f"there is no {key}: {written(path[:whole])} is {' or '.join(types)}", ""
        negated = "has a key" if self.subject.startswith(("neither", "no ")) else "has no key"
        return f"{self.subject} {negated} {key}", partial(self.hint, path)

    def hint(self, path: Path) -> str:
        """What to write in place of a key that no event of the scope has."""
        if any(isinstance(part, int) for part in path):
            inner = {name for known in self.find(path[:-1]).values() for name in known.members}
            return did_you_mean(str(path[-1]), inner, "The keys are")
        names = [str(part) for part in path]
        if names[0].startswith(PREFIX):
            return f"For the app setting, write ${{{names[0]}}}."
        ours = [*_ELSEWHERE.get(names[0].casefold(), names[0]).split("."), *names[1:]]
        if found := next((each for each in (ours, ["data", *names]) if each != names and self.find(each)), None):
            return f"Did you mean {'.'.join(found)}?"
        for meant in (names, ["data", *names]):
            if others := [name for name, root in self._others().items() if root.find(meant)]:
                return f"{joined(others)} {'has' if len(others) == 1 else 'have'} {'.'.join(meant)}."
        if similar := next((each for each in self._similar(names) if each and self.find(each.split("."))), None):
            return f"Did you mean {similar}?"
        holder = self._holder(names)
        listed = dict.fromkeys(f"{holder}{name}" for known in self._members(holder) for name in known.members)
        return f"The keys are {', '.join(listed)}." if listed else ""

    def _others(self) -> dict[str, Known]:
        workspace = next((root.members["workspace"] for root in self.roots.values()), workspace_keys(ANY_LABELS))
        scope = Scope.of(every_kind(), lambda _: workspace, result_keys() if self.follows else None)
        return {name: root for name, root in scope.roots.items() if name not in self.roots}

    def _holder(self, names: list[str]) -> str:
        """The longest part of a key that exists, with a dot at its end; empty if there is none."""
        for count in range(len(names) - 1, 0, -1):
            if any(known.members for known in self.find(names[:count]).values()):
                return ".".join(names[:count]) + "."
        return ""

    def _members(self, holder: str) -> list[Known]:
        return list(self.find(holder.rstrip(".").split(".")).values()) if holder else list(self.roots.values())

    def _similar(self, names: list[str]) -> Iterator[str]:
        """Keys that an unknown one may stand for, the most probable ones first; some of them may not exist."""
        holder = self._holder(names)
        depth = holder.count(".")
        if meant := closest(names[depth], {name for known in self._members(holder) for name in known.members}):
            yield holder + ".".join([meant, *names[depth + 1 :]])  # data.runTag.owner: data.runTags.owner
        paths = [path for path in self._paths if path.startswith(holder)]
        for start in range(len(names)):  # runId, event.data.runId: data.runId; workspace.team: workspace.labels.team
            rest = ".".join(names[start:]).casefold()
            yield from (path for path in paths if f".{path.casefold()}".endswith(f".{rest}"))
        if not holder:
            by_end = {path.rpartition(".")[2]: path for path in reversed(paths)}
            yield closest(".".join(names), paths) or by_end.get(closest(names[-1], by_end) or "", "")


def find_key(key: str, root: Known) -> Known | None:
    """What is known of a condition's key, which has synonyms; None if no event has it."""
    found = (root.find(name.split(".")) for name in (key, *synonyms_of(key)))
    return next((known for known in found if known is not None), None)


def can_hold(condition: Condition, root: Known) -> bool:
    """Can the condition hold for an event with these keys?"""
    known = find_key(condition.key, root)
    if known is None:
        return condition.matches({})
    if not known.only_values or not known.always:
        return True
    return any(condition.operator.holds(value, condition.operands, arrays=True) for value in known.values)


def _requires_label(condition: Condition) -> bool:
    """Is it about a label of the workspace, and false without it?"""
    return condition.key.casefold().startswith("workspace.labels.") and not condition.matches({})


def _with_labels(root: Known, required: Collection[str]) -> Known:
    """The keys of events from workspaces that have these labels."""
    workspace = root.members["workspace"]
    labels = workspace.members["labels"]
    there = {
        name: replace(known, always=True, missing_in=()) if name.casefold() in required else known
        for name, known in labels.members.items()
    }
    workspace = replace(workspace, members={**workspace.members, "labels": replace(labels, members=there)})
    return replace(root, members={**root.members, "workspace": workspace})


def _has_no_keys(found: Mapping[str, Known]) -> bool:
    return all(known.type in (Type.TEXT, Type.NUMBER, Type.BOOL, Type.LIST) for known in found.values())


def joined(names: Iterable[str], word: str = "and") -> str:
    """The names as a phrase: ``A, B and C``."""
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


def written(path: Path) -> str:
    """A key as a template writes it: ``drift.violations[0].metric``."""
    first, *rest = path
    return str(first) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)


def workspace_scope(
    chosen: frozenset[str] | None, workspaces: Workspaces | None, kind: type[ResourceId] = ResourceId
) -> Known:
    """The keys of `workspace` in a rule for the chosen workspaces of a kind, by their names; None: all."""
    if workspaces is None:
        return workspace_keys(ANY_LABELS)
    here = [each for each in workspaces.named(chosen) if isinstance(each.id, kind)]
    if not here:
        return workspace_keys(ANY_LABELS)
    names = sorted({label for each in here for label in each.labels})
    labels = Known(Type.OBJECT, always=True, members={name: _label(name, here) for name in names})
    of_id = {
        "id": [str(each.id) for each in here],
        "resource_group": [each.id.resource_group for each in here],
        "subscription": [each.id.subscription for each in here],
    }
    own_names = _only({each.name: each.name for each in here})
    return workspace_keys(
        labels, name=own_names, **{key: _only(dict.fromkeys(values, "")) for key, values in of_id.items()}
    )


def _label(name: str, workspaces: Sequence[Workspace]) -> Known:
    values = {each.labels[name]: each.written.get(name, "") for each in workspaces if name in each.labels}
    missing = tuple(each.name for each in workspaces if name not in each.labels)
    return Known(Type.TEXT, always=not missing, values=values, only_values=True, missing_in=missing)


def _only(values: Mapping[str, str]) -> Known:
    return Known(Type.TEXT, always=True, values=values, only_values=True)
