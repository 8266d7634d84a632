"""`EventFilter`: the filter of an Event Grid event subscription, evaluated here.

It takes the ARM object as it is (Microsoft.EventGrid/eventSubscriptions, ``properties.filter``) and matches what the
service would deliver: event type, subject and every advanced filter must match ("Understand event filtering for Event
Grid subscriptions", learn.microsoft.com). What is wrong with a filter is found when it is validated; evaluating one
never fails, so that no mistake can look like an event that does not match.

Left open by the page, and decided here as pm7y/AzureEventGridSimulator does where it has an answer:

* ``includedEventTypes`` is compared with case. null is all types, and so is ``All`` in the list; an empty list is none.
* The subject of a CloudEvent without one is its source, for ``subjectBeginsWith`` and ``subjectEndsWith``.
* A name in a key is found in exactly that case, else in any. The members that Event Grid schema and CloudEvents share
  are found under both names (and the older ``eventid``, ``eventtype``, ``eventtypeversion``): the service filters the
  event as it was published, which need not be the schema in which it is delivered.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    InstanceOf,
    PlainSerializer,
    PrivateAttr,
    StrictBool,
    StrictStr,
    model_validator,
)
from pydantic.alias_generators import to_camel

from dispatch.filters.keys import check_key, find, step
from dispatch.filters.operators import MISSING, Operator, fold, operator_named

# The page, "Limitations": of a subscription's advanced filters, of all their values together, of a string value.
MAX_FILTERS, MAX_VALUES, MAX_CHARACTERS = 25, 25, 512


class _ArmObject(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(alias_generator=to_camel, frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, raw: Any) -> Any:
        """ARM answers with null for what was left out, and reads names in any case."""
        if not isinstance(raw, Mapping):
            return raw
        names = {to_camel(name).lower(): to_camel(name) for name in cls.model_fields}
        return {names.get(str(name).lower(), name): value for name, value in raw.items() if value is not None}


class AdvancedFilter(_ArmObject):
    """One of a subscription's advanced filters: a key, an operator and what to compare with."""

    operator_type: Annotated[
        InstanceOf[Operator], BeforeValidator(operator_named), PlainSerializer(lambda operator: operator.name)
    ]
    key: Annotated[StrictStr, AfterValidator(check_key)]
    value: Any = None
    values: tuple[Any, ...] | None = None
    _operands: tuple[Any, ...] = PrivateAttr()

    @model_validator(mode="after")
    def _read_operands(self) -> Self:
        operator = self.operator_type
        given = {"value": () if self.value is None else (self.value,), "values": self.values or ()}
        for member, values in given.items():
            if values and member != operator.takes:
                raise ValueError(f"{operator.name} takes {operator.takes or 'no value'}, not {member}")
        self._operands = operator.operands(given[operator.takes] if operator.takes else ())
        return self

    def matches(self, event: Mapping[str, Any], *, arrays: bool = False) -> bool:
        """Does the event's value pass? `arrays`: look into an array, as ``enableAdvancedFilteringOnArrays`` says."""
        return self.operator_type.holds(find(event, self.key), self._operands, arrays=arrays)

    def texts(self) -> list[str]:
        """The strings among its values."""
        return [value for value in self.values or () if isinstance(value, str)]

    def size(self) -> int:
        """How many values it counts for."""
        return len(self._operands)


class EventFilter(_ArmObject):
    """Which events a subscription delivers. Raises ValidationError for an object that is not such a filter."""

    included_event_types: tuple[StrictStr, ...] | None = None
    subject_begins_with: StrictStr = ""
    subject_ends_with: StrictStr = ""
    is_subject_case_sensitive: StrictBool = False  # of the two subject members only
    enable_advanced_filtering_on_arrays: StrictBool = False
    advanced_filters: tuple[AdvancedFilter, ...] = ()

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Would the event be delivered? It is a dict in Event Grid schema, CloudEvents schema or any other."""
        arrays = self.enable_advanced_filtering_on_arrays
        return (
            self._includes_type_of(event)
            and self._includes_subject_of(event)
            and all(advanced.matches(event, arrays=arrays) for advanced in self.advanced_filters)
        )

    def limits(self) -> list[str]:
        """What the service would refuse in a filter that can be evaluated here all the same; a sentence each."""
        filters, values = len(self.advanced_filters), sum(advanced.size() for advanced in self.advanced_filters)
        longest = max((len(text) for advanced in self.advanced_filters for text in advanced.texts()), default=0)
        return [
            f"{count} {what}; Event Grid takes at most {limit}"
            for count, what, limit in (
                (filters, "advanced filters", MAX_FILTERS),
                (values, "values over all advanced filters", MAX_VALUES),
                (longest, "characters in a string value", MAX_CHARACTERS),
            )
            if count > limit
        ]

    def _includes_type_of(self, event: Mapping[str, Any]) -> bool:
        if self.included_event_types is None or any(name.lower() == "all" for name in self.included_event_types):
            return True
        return find(event, "type" if "specversion" in event else "eventType") in self.included_event_types

    def _includes_subject_of(self, event: Mapping[str, Any]) -> bool:
        found = find(event, "subject")
        if found is MISSING or found is None:
            found = step(event, "source")
        subject, begin, end = (
            text if isinstance(text, str) else "" for text in (found, self.subject_begins_with, self.subject_ends_with)
        )
        if not self.is_subject_case_sensitive:
            subject, begin, end = (fold(text) or "" for text in (subject, begin, end))
        return subject.startswith(begin) and subject.endswith(end)
