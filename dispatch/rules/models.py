"""The shape of the files in ``rules/``: `RulesFile` and `WorkspacesFile`. Their JSON Schemas are generated from them.

The models validate one file alone. Checks that depend on other files, on the workspaces or on a handler are in
rule_entry.py, workspaces_file.py, handler_entry.py and cross_checks.py.
"""

from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from dispatch.evidence.pattern import Pattern
from dispatch.guards.base import Guard
from dispatch.guards.keys import GuardKeys
from dispatch.guards.lasting.still_after import StillAfter
from dispatch.guards.lasting.unless import UnlessSeen
from dispatch.rules.expectations.keys import Expect, Span, Unless
from dispatch.rules.reading.nodes import Node, Scalar, Table, field_of, text_of
from dispatch.rules.reading.pydantic_errors import invalid
from dispatch.rules.reading.shapes import MAPPING, OTHER, Keys, Named, form, keys_of
from dispatch.rules.retry import Retry
from dispatch.rules.values import (
    ACCOUNT_HINT,
    ID_HINT,
    OUTCOMES,
    REGISTRY_HINT,
    RULE_NAME,
    WORKSPACE_NAME,
    ConditionOrGroup,
    EventName,
    FromText,
    Label,
    OneOrMore,
    ReadAsList,
    account_id,
    as_list,
    outcome_name,
    registry_id,
    resource_id,
    rule_name,
    tests_of,
    workspace_name,
    zone_name,
)
from dispatch.rules.when import AllOf, split
from handlers import builtin, find
from handlers.base import Handler
from schemas import Expected, ResourceId
from schemas.events.base import DEFAULT_ZONE

WORKSPACES_FILE = "workspaces.yaml"

_A_RULE = "Write - name: mail-failed-runs, and below it, with the indentation of name, on, do and with."
_AN_EXPECT = 'Write expect: { event: RunCompleted, when: data.experimentName StringIn nightly-train, by: "06:30" }.'
_AN_UNLESS = "Write unless: { event: RunCompleted, same: data.experimentName }."
_AN_AFTER = "Write after: { rules: name-of-a-rule, outcome: failed }."
_BY_LABEL = "Write in: churn-prod, in: [churn-dev, churn-prod], or, to choose by labels, in: { env: prod }."
_WORKSPACES = "Write workspaces: { churn-dev: { id: /subscriptions/…, env: dev } }."
_STORAGE = "Write storage: { churn-landing: { id: /subscriptions/…, env: dev } }."
_REGISTRIES = "Write registries: { churn-registry: { id: /subscriptions/…, env: prod } }."
_TEXT = WithJsonSchema({"type": "string"})


def _not_empty(value: Any) -> Any:
    if value == {}:
        raise invalid("{name} is empty", "Leave it out to mean all workspaces.")
    return value


def _some(value: Any) -> Any:
    if value is None or value == {}:
        raise invalid("no workspaces are listed", _WORKSPACES)
    return value


class HandlerKeys(Keys):
    """The keys for the handler and its settings."""

    do: Annotated[
        str,
        Named(
            "do",
            "Write do: email, and the settings in with: { to: … }.",
            f"It names a handler: {', '.join(builtin())}, or package.module:Class.",
        ),
    ] = Field(description="The handler: a built-in one, or yours as package.module:Class.", examples=builtin())
    with_: Annotated[dict[str, Any] | None, Named("with")] = Field(
        None, alias="with", description="The handler's settings."
    )

    @classmethod
    def hint(cls, key: str, node: Node) -> str:
        """What to write in place of an unknown key: a handler's settings belong in ``with``."""
        do = text_of(field_of(node, "do"))
        if do in builtin() and key in keys_of(find(do)):
            return f"It is a setting of {do}: write it in with."
        return super().hint(key, node)


class After(Keys):
    """The rules that a rule follows."""

    rules: OneOrMore[Annotated[str, Named("the name of a rule")]] = Field(
        description="The name of a rule or a list of them, in any file."
    )
    outcome: Annotated[str, AfterValidator(outcome_name), Named("outcome"), WithJsonSchema({"enum": [*OUTCOMES]})] = (
        Field("succeeded", description="How the action of one of these rules ended.")
    )


class Trigger(Keys):
    """The keys for a rule's name and for the events or rules that trigger it."""

    name: Annotated[
        str,
        AfterValidator(rule_name),
        Named("name", needed="The history, mails and 'after' use its name."),
        WithJsonSchema({"type": "string", "pattern": f"^{RULE_NAME.pattern}$"}),
    ] = Field(description="The rule's name, in the history, in mails and in `after`.", examples=["mail-failed-runs"])
    on: OneOrMore[EventName] = Field([], description="The event types on which this rule acts.")
    in_: Annotated[
        Annotated[OneOrMore[Annotated[str, Named("the name of a workspace", _BY_LABEL)]], Tag(OTHER)]
        | Annotated[
            dict[str, Annotated[list[Label], ReadAsList(as_list)]],
            Field(min_length=1),
            BeforeValidator(_not_empty),
            Tag(MAPPING),
        ],
        Discriminator(form),
        Named("in"),
    ] = Field(
        [],
        alias="in",
        description="The workspaces: a name, a list of names, or labels, all of which must match. Default: all.",
        examples=["churn-prod", {"env": "prod"}, {"team": "churn", "env": ["dev", "prod"]}],
    )
    when: OneOrMore[ConditionOrGroup] = Field([], description="Conditions on the event, all of which must hold.")
    expect: Annotated[Expect, Named("expect", _AN_EXPECT)] = Field(  # type: ignore[assignment]
        None,  # absent or a mapping, but not null
        description="The event that must come by a time of day: the rule acts when it has not.",
        examples=[{"event": "RunCompleted", "by": "06:30", "days": "Mon-Fri"}],
    )
    after: Annotated[After, Named("after", _AN_AFTER)] = Field(  # type: ignore[assignment]
        None,  # absent or a mapping, but not null
        description="The rules that this one follows, on the same event.",
        examples=[{"rules": "mail-failed-runs", "outcome": "failed"}],
    )


class RuleKeys(GuardKeys, HandlerKeys, Trigger):
    """A rule: the events on which it acts, or the rules that it follows, and its handler."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["on"]}, {"required": ["expect"]}, {"required": ["after"]}]}
    )
    synonyms: ClassVar = {
        other: ours
        for ours, others in {
            "on": ("event", "events", "event_type", "trigger", "type"),
            "in": ("workspace", "workspaces", "where"),
            "when": ("if", "filter", "filters", "condition", "conditions"),
            "do": ("handler", "action", "uses", "run"),
            "with": ("settings", "args", "params", "parameters"),
            "after": ("needs", "depends_on", "follows"),
            "retry": ("retries",),
            "expect": ("expects", "expected", "absent", "missing"),
        }.items()
        for other in others
    }
    key_hints: ClassVar = dict.fromkeys(
        ("on_failure", "on_error", "on_success"),
        "Make it a separate rule, with after: { rules: …, outcome: failed }.",
    )

    retry: Retry = Field(
        default_factory=Retry, description="How long a failing action is retried.", examples=[{"for": "2h"}]
    )
    still_after: Span | None = Field(
        None,
        description="Act this long after the event, and only if the object's state is still the one that matched.",
        examples=["12h"],
    )
    unless: Annotated[Unless, Named("unless", _AN_UNLESS)] = Field(  # type: ignore[assignment]
        None,  # absent or a mapping, but not null
        description="Do not act if such an event is on record.",
        examples=[{"event": "RunCompleted", "same": "data.experimentName"}],
    )
    allow_loops: bool = Field(False, strict=True, description="Act also on events of runs that this rule started.")
    max_depth: int = Field(3, ge=1, le=20, strict=True, description="The maximum length of a chain of starts.")

    @classmethod
    def subject(cls, node: Table, name: str) -> str:
        """The rule by its name, if it has one, as the file writes it: it may come from an app setting."""
        own_name = node.fields.get("name")
        return f"rule {own_name.written}" if isinstance(own_name, Scalar) and text_of(own_name) else "this rule"

    def guards(self, handler: Handler[Any]) -> tuple[Guard, ...]:
        """The guards in the order in which they are called: what has happened since the event comes first."""
        expected = self.expect.pattern if self.expect else None
        on = frozenset([Expected.__name__] if self.expect else self.on)
        in_order = (
            StillAfter(self.still_after, Pattern(on, split(self.conditions)[0]), expected)
            if self.still_after
            else None,
            UnlessSeen(self.unless.pattern, self.unless.within) if self.unless else None,
            *super().guards(handler),
        )
        return tuple(guard for guard in in_order if guard is not None)

    @property
    def conditions(self) -> AllOf:
        """`when` as it is evaluated."""
        return AllOf(tests_of(self.when))


class RulesFile(Keys):
    """A rules file: a list of rules."""

    named: ClassVar = Named("a rules file", f"Begin it with 'rules:'. {_A_RULE}")
    key_hints: ClassVar = dict.fromkeys(("workspaces", "alerts"), f"It belongs in {WORKSPACES_FILE}.")

    rules: Annotated[list[Annotated[RuleKeys, Named("a rule", _A_RULE, path="")]] | None, Named("rules", _A_RULE)] = (
        Field(None, description="The rules.")
    )


Zone: TypeAlias = Annotated[str, AfterValidator(zone_name), Named("timezone")]
_ZONES = ["Europe/Berlin", "America/New_York"]


class WorkspaceKeys(Keys):
    """A workspace: its id, and labels."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Label]

    id: Annotated[ResourceId, FromText(resource_id), Named("the id of {parent}", needed=ID_HINT), _TEXT] = Field(
        description="The ARM id: az ml workspace show --query id", examples=["${RULES_WS_CHURN_DEV}"]
    )
    timezone: Zone = Field("", description="The time zone of its people; default: that of the file.", examples=_ZONES)


class StorageKeys(WorkspaceKeys):
    """A storage account: its id, and labels."""

    id: Annotated[ResourceId, FromText(account_id), Named("the id of {parent}", needed=ACCOUNT_HINT), _TEXT] = Field(
        description="The ARM id: az storage account show --query id", examples=["${RULES_STORAGE_CHURN}"]
    )


class RegistryKeys(WorkspaceKeys):
    """A registry of Azure ML: its id, and labels."""

    id: Annotated[ResourceId, FromText(registry_id), Named("the id of {parent}", needed=REGISTRY_HINT), _TEXT] = Field(
        description="The ARM id: az ml registry show --query id", examples=["${RULES_REGISTRY_CHURN}"]
    )


class WorkspacesFile(Keys):
    """rules/workspaces.yaml: the workspaces and other resources whose events are handled, and who is alerted."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"required": ["workspaces"]})
    named: ClassVar = Named(WORKSPACES_FILE, "Its keys are workspaces, storage, registries, timezone and alerts.")
    key_hints: ClassVar = {
        "rules": "Rules belong in separate files, such as churn.yaml: an error in one does not affect the workspaces."
    }

    workspaces: Annotated[
        dict[
            Annotated[str, AfterValidator(workspace_name)],
            Annotated[WorkspaceKeys, Named("workspace {key}", _WORKSPACES, at_key=True)],
        ],
        Named("workspaces", _WORKSPACES),
        BeforeValidator(_some),
    ] = Field(
        {},
        validate_default=True,
        min_length=1,
        description="The workspaces by name, each with its ARM id and labels.",
        json_schema_extra={"propertyNames": {"pattern": f"^{WORKSPACE_NAME.pattern}$"}},
    )
    storage: Annotated[
        dict[
            Annotated[str, AfterValidator(workspace_name)],
            Annotated[StorageKeys, Named("storage account {key}", _STORAGE, at_key=True)],
        ],
        Named("storage", _STORAGE),
    ] = Field(
        {},
        description="The storage accounts by name, each with its ARM id and labels. Rules choose them as workspaces.",
        json_schema_extra={"propertyNames": {"pattern": f"^{WORKSPACE_NAME.pattern}$"}},
    )
    registries: Annotated[
        dict[
            Annotated[str, AfterValidator(workspace_name)],
            Annotated[RegistryKeys, Named("registry {key}", _REGISTRIES, at_key=True)],
        ],
        Named("registries", _REGISTRIES),
    ] = Field(
        {},
        description="The registries by name, each with its ARM id and labels. Rules choose them as workspaces.",
        json_schema_extra={"propertyNames": {"pattern": f"^{WORKSPACE_NAME.pattern}$"}},
    )
    timezone: Zone = Field(
        DEFAULT_ZONE,
        description="The time zone of times in mails and templates: an IANA name. A workspace may have its own.",
        examples=_ZONES,
    )
    alerts: Annotated[HandlerKeys, Named("alerts", "Write alerts: { do: email, with: { … } }.")] = Field(  # type: ignore[assignment]
        None,  # absent or a mapping, but not null
        description="The handler that sends alerts when something is wrong with the app or its rules.",
    )
