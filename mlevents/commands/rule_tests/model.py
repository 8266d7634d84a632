"""The shape of a file with tests of rules: `TestsFile`. Its JSON Schema is generated from it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from dispatch.inbox.rows import ENDED
from dispatch.rules.errors import did_you_mean
from dispatch.rules.reading.app_settings import PREFIX
from dispatch.rules.reading.nodes import Node, Scalar, Table, text_of
from dispatch.rules.reading.pydantic_errors import invalid
from dispatch.rules.reading.shapes import Keys, Named
from schemas.errors import shown
from schemas.facts import FACTS, Facts

_A_TEST = "Write - name: what the rules do, and below it, with the indentation of name, event and fires."
_NAMES = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_EXPECTED = {"type": ["object", "null"], "additionalProperties": _TEXTS}


def _by_rule(value: Any) -> Any:
    """Rules with what is expected of each; a name or a list of names expects nothing more."""
    if isinstance(value, str):
        return {value: {}}
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {name: {} for name in value}
    if isinstance(value, Mapping):
        return {name: {} if expected is None else expected for name, expected in value.items()}
    raise invalid("{name} should be the name of a rule, a list of names, or a mapping with them as keys", _FIRES_HINT)


def _reasons(value: Any) -> Any:
    """Rules with the reason why each does not fire; a name or a list of names gives none."""
    if isinstance(value, str):
        return {value: ""}
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return dict.fromkeys(value, "")
    return {name: reason or "" for name, reason in value.items()} if isinstance(value, Mapping) else value


def _end(value: Any) -> Any:
    return {"status": value} if isinstance(value, str) else value


def _status(value: str) -> str:
    if value in ENDED:
        return value
    raise invalid(f"unknown status {shown(value)}", lambda: did_you_mean(value, ENDED, "The statuses are"))


def _setting(value: str) -> str:
    if value.startswith(PREFIX):
        return value
    raise invalid(f"rules read no setting {shown(value)}", f"The names of settings for rules begin with {PREFIX}.")


def _fact(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Validate the values of a fact. A misspelt key would only make a condition false."""

    def checked(values: dict[str, Any]) -> dict[str, Any]:
        unknown = next(_unknown(name, values, FACTS[name]), None)
        if unknown:
            raise invalid(unknown, "docs/facts.md lists the keys.")
        try:
            FACTS[name].model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join([name, *map(str, first["loc"])])
            raise invalid(f"{key} is invalid: {first['msg']}", "docs/facts.md lists the keys.") from error
        return values

    return checked


def _unknown(path: str, values: Mapping[str, Any], model: type[BaseModel]) -> Iterator[str]:
    for key, value in values.items():
        field = model.model_fields.get(key)
        inner = field.annotation if field else None
        if field is None or key == "transient":
            yield f"there is no {path}.{key}"
        elif isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _unknown(f"{path}.{key}", value, inner)


_NOT_GIVEN = {"unavailable": "the test does not give it"}
_FIRES_HINT = "Write fires: [mail-failed-runs], fires: [] for none, or fires: { mail-failed-runs: { to: … } }."
Settings: TypeAlias = dict[Annotated[str, AfterValidator(_setting)], str]
Expected: TypeAlias = Annotated[
    dict[str, dict[str, str | list[str]]],
    BeforeValidator(_by_rule),
    WithJsonSchema({"anyOf": [*_NAMES, {"type": "object", "additionalProperties": _EXPECTED}]}),
]
Reasons: TypeAlias = Annotated[
    dict[str, str],
    BeforeValidator(_reasons),
    WithJsonSchema({"anyOf": [*_NAMES, {"type": "object", "additionalProperties": {"type": ["string", "null"]}}]}),
]


class End(Keys):
    """How the action of a rule ends, for the rules that follow it."""

    status: Annotated[str, AfterValidator(_status), Named("status"), WithJsonSchema({"enum": [*ENDED]})] = Field(
        description="How the action ends."
    )
    summary: str = Field("", description="The summary of its outcome, or the reason.")
    details: dict[str, str] = Field({}, description="The details of its outcome. Others have a placeholder.")


Ends: TypeAlias = dict[
    str,
    Annotated[
        End,
        BeforeValidator(_end, json_schema_input_type=Literal["succeeded", "skipped", "failed"] | End),
        Named("the end of {key}", "Write ends: { deploy-churn: failed }."),
    ],
]


class Case(Keys):
    """A test: an event, and what the rules do about it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["event"]}, {"required": ["recorded"]}],
            "anyOf": [{"required": [key]} for key in ("fires", "includes", "not")],
        }
    )
    synonyms: ClassVar = {
        "sample": "event",
        "file": "event",
        "id": "recorded",
        "with": "changes",
        "in": "workspace",
        "expect": "fires",
        "expected": "fires",
        "matches": "fires",
        "outcomes": "ends",
    }

    name: Annotated[str, Named("name", needed="Reports name the test by it.")] = Field(
        description="What the rules do, in a few words.", examples=["a failed run in production mails its team"]
    )
    event: str = Field(
        "", description="A sample by its name, or a file, from this file's folder.", examples=["run_status_changed"]
    )
    recorded: str = Field("", description="The id of an event on record.")
    changes: dict[str, Any] = Field(
        {}, description="Values of the event to set, by their keys.", examples=[{"data.runTags.owner": "a@example.com"}]
    )
    workspace: str = Field(
        "", description="The workspace that raises the event. Default: that of the event.", examples=["churn-prod"]
    )
    settings: Settings = Field({}, description="App settings that the rules read, for this test.")
    run: Annotated[dict[str, Any], AfterValidator(_fact("run"))] = Field(
        {}, description="What Azure ML knows about the run.", examples=[{"error": {"code": "OutOfMemory"}}]
    )
    model: Annotated[dict[str, Any], AfterValidator(_fact("model"))] = Field(
        {}, description="What Azure ML knows about the model."
    )
    endpoint: Annotated[dict[str, Any], AfterValidator(_fact("endpoint"))] = Field(
        {}, description="What Azure ML knows about the endpoint."
    )
    ends: Ends = Field(
        {}, description="How actions end that other rules follow. Default: succeeded.", examples=[{"deploy": "failed"}]
    )
    fires: Annotated[Expected | None, Named("fires", _FIRES_HINT)] = Field(
        None, description="The rules that fire, exactly; with the plan of each, or what it sends."
    )
    includes: Annotated[Expected, Named("includes", _FIRES_HINT)] = Field(
        {}, description="Rules that fire, perhaps with others; as for fires."
    )
    not_: Annotated[Reasons, Named("not", "Write not: [mail-failed-runs], or not: { mail-failed-runs: when }.")] = (
        Field(
            {},
            alias="not",
            description="Rules that do not fire; with the key that keeps each from it, or a part of the reason.",
            examples=[{"mail-failed-runs": "when"}],
        )
    )

    @classmethod
    def subject(cls, node: Table, name: str) -> str:
        """The test by its name, if it has one."""
        own_name: Node | None = node.fields.get("name")
        return f"test {shown(own_name.value)}" if isinstance(own_name, Scalar) and text_of(own_name) else "this test"

    @model_validator(mode="after")
    def _complete(self) -> "Case":
        if bool(self.event) == bool(self.recorded):
            raise invalid("a test needs either 'event' or 'recorded'", "Write event: run_status_changed.")
        if self.fires is None and not self.includes and not self.not_:
            raise invalid("a test needs 'fires', 'includes' or 'not'", _FIRES_HINT)
        return self

    @property
    def facts(self) -> Callable[[str], Facts] | None:
        """Where rules read what Azure ML knows; None if the test does not give it, so that late conditions hold."""
        given: Mapping[str, Any] = {name: values for name in FACTS if (values := getattr(self, name))}
        return (lambda name: FACTS[name].model_validate(given.get(name, _NOT_GIVEN))) if given else None

    @property
    def rules(self) -> set[str]:
        """The rules that it names."""
        return {*(self.fires or ()), *self.includes, *self.not_}


class TestsFile(Keys):
    """A file with tests of rules."""

    __test__: ClassVar = False  # for pytest
    named: ClassVar = Named("a file with tests", f"Begin it with 'tests:'. {_A_TEST}")
    key_hints: ClassVar = {"rules": "Rules belong in the folder above this one."}

    settings: Settings = Field(
        {}, description="App settings that the rules read. Others are those of local.settings.json.example."
    )
    tests: Annotated[list[Annotated[Case, Named("a test", _A_TEST, path="")]], Named("tests", _A_TEST)] = Field(
        min_length=1, description="The tests."
    )
