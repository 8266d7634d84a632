"""The values in rules files: names, event types, conditions, ids and labels, with their errors and JSON Schemas."""

import re
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, TypeAlias, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema
from pydantic.annotated_handlers import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypeAliasType

from dispatch.filters.condition import Condition
from dispatch.filters.operators import OPERATORS
from dispatch.rules.errors import did_you_mean
from dispatch.rules.reading.pydantic_errors import invalid
from dispatch.rules.reading.shapes import MAPPING, OTHER, Keys, Named, form
from dispatch.rules.when import AllOf, AnyOf, Test
from schemas import EVENT_NAMES, EVENT_TYPES, ResourceId
from schemas.errors import shown
from schemas.events.registry import listed_under, parse_resource
from schemas.time_zone import suggested_zone, time_zone

OUTCOMES = ("succeeded", "failed", "skipped", "any")
RULE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
WORKSPACE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
CONDITION_HINT = (
    "Write a condition, such as data.runStatus StringIn Failed, or a group: { any: [condition, condition] }."
)
ID_HINT = "az ml workspace show --query id prints it."
ACCOUNT_HINT = "az storage account show --query id prints it."
REGISTRY_HINT = "az ml registry show --query id prints it."
T = TypeVar("T")


class ReadAsList:
    """Reads a single value as a list of one. `read` converts the value, and may reject an empty list."""

    def __init__(self, read: Callable[[Any], list[Any]]) -> None:
        self.read = read

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        items = handler(schema)["items"]
        return {"anyOf": [items, {"type": "array", "items": items, "minItems": 1}]}


def as_list(value: Any) -> list[Any]:
    """The values of a list, or the one value; none for null."""
    return [] if value is None else value if isinstance(value, list) else [value]


def _not_empty_list(value: Any) -> list[Any]:
    if not (values := as_list(value)):
        raise invalid("{name} is empty")
    return values


def rule_name(value: str) -> str:
    """Check the name of a rule."""
    if not RULE_NAME.fullmatch(value):
        hint = "Use at most 63 lower-case letters, digits and '-', such as mail-failed-runs."
        raise invalid(f"{shown(value)} cannot be a rule's name", hint)
    return value


def workspace_name(value: str) -> str:
    """Check the name of a workspace."""
    if not WORKSPACE_NAME.fullmatch(value):
        hint = "Use at most 63 letters, digits, '-', '_' and '.'."
        raise invalid(f"{shown(value)} cannot be a workspace's name", hint)
    return value


def event_name(text: str) -> str | None:
    """The short name of an event type, of its short or its full name; None if there is no such type."""
    event_type = EVENT_TYPES.get(text)
    name = event_type.__name__ if event_type else text
    return name if name in EVENT_NAMES else None


def event_type(value: str) -> str:
    """The short name of an event type."""
    if name := event_name(value):
        return name
    word = value.rpartition(".")[2]
    raise invalid(f"unknown event type {shown(value)}", lambda: did_you_mean(word, EVENT_NAMES, "The event types are"))


def outcome_name(value: str) -> str:
    """Check how an action has ended."""
    if value in OUTCOMES:
        return value
    raise invalid(f"unknown outcome {shown(value)}", lambda: did_you_mean(value, OUTCOMES, "The outcomes are"))


def _condition(value: str) -> Condition:
    try:
        return Condition.parse(value)
    except ValueError as error:
        is_cut = "is not a range" in str(error)  # YAML ends a text without quotes there
        raise invalid(str(error), "Between [ ], a condition with a comma needs quotes around it." * is_cut) from error


def resource_id(value: str) -> ResourceId:
    """Parse the ARM id of a workspace, or of another resource that is listed with the workspaces."""
    return _resource_id(value, "workspaces", ID_HINT)


def account_id(value: str) -> ResourceId:
    """Parse the ARM id of a storage account."""
    return _resource_id(value, "storage", ACCOUNT_HINT)


def registry_id(value: str) -> ResourceId:
    """Parse the ARM id of a registry of Azure ML."""
    return _resource_id(value, "registries", REGISTRY_HINT)


def _resource_id(value: str, key: str, hint: str) -> ResourceId:
    try:
        return parse_resource(value, key)
    except ValueError as error:
        other = listed_under(value)
        raise invalid(f"{{name}} should be {error}", f"List it under {other}." if other else hint) from error


def zone_name(value: str) -> str:
    """Check the IANA name of a time zone."""
    try:
        time_zone(value)
    except ValueError as error:
        raise invalid(f"{{name}}: {error}", lambda: suggested_zone(value)) from error
    return value


def _label(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise invalid("{name} should have one value: a text, a number, true or false")
    return value


class FromText:
    """Reads a value from a text, with a function."""

    def __init__(self, read: Any) -> None:
        self.read = read

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.read, core_schema.str_schema())


def _any_case(word: str) -> str:
    return "".join(f"[{letter.upper()}{letter.lower()}]" for letter in word)


OneOrMore: TypeAlias = Annotated[list[T], ReadAsList(_not_empty_list)]
Label: TypeAlias = Annotated[
    Any, AfterValidator(_label), Named("label {key}"), WithJsonSchema({"type": ["string", "number", "boolean"]})
]
ConditionText = TypeAliasType(
    "ConditionText",
    Annotated[
        Condition,
        FromText(_condition),
        Named("a condition", CONDITION_HINT),
        WithJsonSchema(
            {
                "type": "string",
                "description": "A condition: KEY OPERATOR VALUE...",
                "pattern": rf"^\s*\S+\s+({'|'.join(_any_case(operator.name) for operator in OPERATORS)})(\s|$)",
                "patternErrorMessage": f"Write KEY OPERATOR VALUE... Operators: {', '.join(o.name for o in OPERATORS)}",
                "examples": ["data.runStatus StringIn Failed NotResponding"],
            }
        ),
    ],
)
EventName: TypeAlias = Annotated[
    str,
    AfterValidator(event_type),
    Named("an event type"),
    WithJsonSchema({"enum": [*EVENT_NAMES, *EVENT_TYPES]}),
]


def _one_key(value: Any) -> Any:
    if isinstance(value, dict) and list(value) not in (["any"], ["all"]):
        raise invalid("a group of conditions has one key, 'any' or 'all'", CONDITION_HINT)
    return value


class Group(Keys):
    """A group of conditions: at least one of `any` must hold, or every one of `all`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    any: Annotated["OneOrMore[ConditionOrGroup]", Named("any")] = Field(
        [], description="At least one of these must hold."
    )
    all: Annotated["OneOrMore[ConditionOrGroup]", Named("all")] = Field([], description="All of these must hold.")

    @property
    def test(self) -> Test:
        """The group as it is evaluated."""
        return AnyOf(tests_of(self.any)) if self.any else AllOf(tests_of(self.all))


ConditionOrGroup = TypeAliasType(
    "ConditionOrGroup",
    Annotated[
        Annotated[ConditionText, Tag(OTHER)] | Annotated[Group, BeforeValidator(_one_key), Tag(MAPPING)],
        Discriminator(form),
    ],
)


def tests_of(conditions: list[ConditionOrGroup]) -> tuple[Test, ...]:
    """Conditions and groups as they are evaluated."""
    return tuple(each.test if isinstance(each, Group) else each for each in conditions)
