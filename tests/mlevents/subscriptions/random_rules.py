"""Random rules and events that often meet: the texts, keys and names of each are from the same few."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import strategies as st

from dispatch.filters.condition import Condition
from dispatch.filters.operators import BOOL, NUMBER, OPERATORS, RANGE, STRING, Operator
from dispatch.rules.rule import Rule, Rules
from dispatch.rules.when import AllOf, AnyOf, Test
from dispatch.rules.workspaces import Workspace, Workspaces
from handlers.log import Log
from schemas import EVENT_NAMES, WorkspaceId
from schemas.drift import BREACH_TAG
from schemas.events.blobs import StorageAccountId
from tests.kit.world import ACCOUNT, ARM

WORKSPACES = Workspaces(
    *(
        Workspace(f"churn-{env}", WorkspaceId.parse(ARM.format(f"{n}" * 8, env)), {"env": env, "a.b": "x"})
        for n, env in enumerate(("dev", "prod"), 1)
    ),
    Workspace("landing", StorageAccountId.parse(ACCOUNT), {"env": "dev"}),
)
TEXTS = [
    "",
    "Failed",
    "failed",
    "Fail",
    "Completed",
    "ed",
    "ab",
    "abc",
    "b",
    "null",
    "NULL",
    "straße",
    "ı",
    "\ufffd",
    "7",
]
NUMBERS = ["0", "1", "2.5", "7", "-3", "0.1", "9007199254740993", "1e20"]
BLOB_KEYS = ["blob.container", "Blob.path", "blob.path", "blob.folder", "blob.name", "subject", "data.api"]
KEYS = [
    *("data.runStatus", "data.RunStatus", "data.runId", "data.runType", "data.experimentName", "data.createdBy"),
    *(
        "data.runTags.team",
        "data.runTags.Team",
        "data.runTags.azureml.x",
        "data.runTags",
        "data.run_id",
        "data.extra.a",
    ),
    *("data.modelName", "data.modelVersion", "data.modelTags.team", "data.modelIds", "data.serviceName"),
    *("data.dataDriftName", "data.driftCoefficient", "data.startTime", "data.baseDatasetId", "drift.monitor"),
    *("subject", "Subject", "id", "topic", "eventType", "dataVersion", "eventTime", "object", "data", "data.extra.a.b"),
    *BLOB_KEYS,
    *("workspace.labels.env", "workspace.name", "workspace.labels.a.b", "workspace.labels.none", "workspace.id"),
]
USUAL = ["data.runStatus", "data.runType", "data.runId", "data.runTags.team", "subject", "data.createdBy"]
texts = st.sampled_from(TEXTS) | st.text(st.characters(codec="utf-8"), max_size=3)
numbers = st.sampled_from(NUMBERS)


def _words(operator: Operator, draw: st.DrawFn) -> list[str]:
    if operator.kind is None:
        return []
    if operator.kind is RANGE:
        given = st.tuples(numbers, numbers).map(lambda pair: ",".join(sorted(pair, key=float)))
    else:
        given = (
            numbers
            if operator.kind is NUMBER
            else st.sampled_from(["true", "false"])
            if operator.kind is BOOL
            else texts
        )
    return draw(st.lists(given, min_size=1, max_size=3 if operator.many else 1))


@st.composite
def conditions(draw: st.DrawFn, keys: Sequence[str]) -> Condition:
    """A condition on one of the keys, whether or not it is plausible."""
    operator = draw(st.sampled_from([*OPERATORS, *(each for each in OPERATORS if each.kind is STRING)]))
    return Condition.parse(shlex.join([draw(st.sampled_from(keys)), operator.name, *_words(operator, draw)]))


def _whens(keys: Sequence[str]) -> st.SearchStrategy[AllOf]:
    tests: st.SearchStrategy[Test] = st.recursive(
        conditions(keys),
        lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
            lambda found: st.sampled_from([AnyOf(tuple(found)), AllOf(tuple(found))])
        ),
        max_leaves=3,
    )
    return st.lists(tests, min_size=1, max_size=3).map(lambda found: AllOf(tuple(found)))


@st.composite
def rule_sets(draw: st.DrawFn, on: Sequence[str] = (), usual: Sequence[str] = USUAL) -> Rules:
    """Rules that have conditions on the same few keys, most often the usual ones; for `on`, or any events."""
    keys = draw(st.lists(st.sampled_from([*KEYS, *[*usual] * 8]), min_size=1, max_size=2, unique=True))
    names = sorted(name for name, events in EVENT_NAMES.items() if all(event.from_azure for event in events))
    kinds = st.sampled_from(on or [*names, *["RunStatusChanged"] * 6])
    types = draw(st.lists(kinds, min_size=1, max_size=2, unique=True))
    rules = st.builds(
        Rule,
        name=st.just(""),
        handler=st.just(Log()),
        on=st.frozensets(st.sampled_from(types), min_size=1),
        workspaces=st.sampled_from([None, None, frozenset({"churn-dev"})]),
        when=_whens(keys),
    )
    found = [replace(rule, name=f"rule-{n}") for n, rule in enumerate(draw(st.lists(rules, min_size=1, max_size=3)))]
    return Rules(by_name={rule.name: rule for rule in found}, workspaces=WORKSPACES)


_NAMES = sorted({key.split(".")[1] for key in KEYS if key.startswith("data.") and "_" not in key} - {"RunStatus"})


def events(rules: Rules, random: Random, count: int) -> Iterator[dict[str, Any]]:
    """Events as Azure ML might publish them, of types that the rules name; each name of a field is there once."""
    types = [kind for rule in rules.by_name.values() for name in sorted(rule.on) for kind in EVENT_NAMES[name]]
    operands = [word for rule in rules.by_name.values() for each in rule.when.tests for word in _operands(each)]
    for _ in range(count):
        kind = random.choice(types)
        raw: dict[str, Any] = dict(kind.example().wire())
        data = raw["data"] | {name: _value(name, operands, random) for name in random.choices(_NAMES, k=4)}
        for name in random.choices(_NAMES, k=random.randrange(3)):
            data.pop(name, None)
        pascal = random.random() < 0.5
        raw["data"] = {name[:1].upper() + name[1:]: value for name, value in data.items()} if pascal else data
        raw["topic"] = str(random.choice([each.id for each in WORKSPACES if isinstance(each.id, kind.resource_id)]))
        if kind.own_members:
            words = [random.choice([*operands, *TEXTS, "blobs"]) for _ in range(random.randint(2, 4))]
            raw["subject"] = f"/blobServices/default/containers/{words[0]}/blobs/{'/'.join(words[1:])}"
        if random.random() < 0.5:
            raw[random.choice(["subject", "dataVersion", "id"])] = _value("", operands, random)
        yield raw


def _operands(test: Test) -> list[str]:
    if isinstance(test, Condition):
        return shlex.split(test.text)[2:]
    return [word for each in test.tests for word in _operands(each)]


def _value(name: str, operands: Sequence[str], random: Random) -> Any:
    if name.endswith("Tags"):
        names = random.choices(["team", "Team", "azureml.x", "a.b", BREACH_TAG], k=3)
        return random.choice([None, "null", *[{each: _value("", operands, random) for each in names}] * 8])
    text = random.choice([*operands, *TEXTS])
    text = random.choice([text, text.upper(), f"{text}x", f"x{text}", text.swapcase()])
    others = [
        None,
        True,
        False,
        0,
        1,
        2.5,
        7,
        -3,
        0.1,
        10**20,
        [text],
        [text, 1, None],
        [],
        {"a": text},
        f"{text}\ud800",
    ]
    return random.choice([*[text] * 30, *others])
