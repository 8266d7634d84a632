"""`EventFilter`: the filter of an Event Grid event subscription, evaluated here.

It reads the ARM object (Microsoft.EventGrid/eventSubscriptions, ``properties.filter``) and matches what the service
would deliver: event type, subject and every advanced filter must match ("Understand event filtering for Event Grid
subscriptions", learn.microsoft.com). Validation finds all errors of a filter; evaluation raises none, so that no error
can look like an event that does not match.

Where the page leaves a case open, this module follows pm7y/AzureEventGridSimulator, if that covers it:

* ``includedEventTypes`` is compared with case. null means all types, as does ``All`` in the list; an empty list, none.
* The subject of a CloudEvent without one is its source, for ``subjectBeginsWith`` and ``subjectEndsWith``.
* A name in a key matches in its exact case first, else in any case. Members that the Event Grid schema and CloudEvents
  share match under both names (and the older ``eventid``, ``eventtype``, ``eventtypeversion``): the service filters the
  event as published, which may be in another schema than the one in which it delivers.
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

from dispatch.filters.keys import check_key, find
from dispatch.filters.operators import Operator, operator_named
from schemas.plain import MISSING, fold, step

# From the page, "Limitations": advanced filters of a subscription, values of all of them, characters of a string value.
MAX_FILTERS, MAX_VALUES, MAX_CHARACTERS = 25, 25, 512


class _ArmObject(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(alias_generator=to_camel, frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, raw: Any) -> Any:
        """ARM returns null for absent members, and reads names in any case."""
        if not isinstance(raw, Mapping):
            return raw
        names = {to_camel(name).lower(): to_camel(name) for name in cls.model_fields}
        return {names.get(str(name).lower(), name): value for name, value in raw.items() if value is not None}


class AdvancedFilter(_ArmObject):
    """One of a subscription's advanced filters: a key, an operator and its operands."""

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
        """Does the event match? `arrays`: search arrays, as with ``enableAdvancedFilteringOnArrays``."""
        return self.operator_type.holds(find(event, self.key), self._operands, arrays=arrays)

    def texts(self) -> list[str]:
        """The strings among its values."""
        return [value for value in self.values or () if isinstance(value, str)]

    def size(self) -> int:
        """The number of values that count against the limit."""
        return len(self._operands)


class EventFilter(_ArmObject):
    """The filter of an event subscription. Raises ValidationError for any other object."""

    included_event_types: tuple[StrictStr, ...] | None = None
    subject_begins_with: StrictStr = ""
    subject_ends_with: StrictStr = ""
    is_subject_case_sensitive: StrictBool = False  # of the two subject members only
    enable_advanced_filtering_on_arrays: StrictBool = False
    advanced_filters: tuple[AdvancedFilter, ...] = ()

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Would the subscription deliver the event, a dict in Event Grid schema, CloudEvents schema or any other?"""
        arrays = self.enable_advanced_filtering_on_arrays
        return (
            self._includes_type_of(event)
            and self._includes_subject_of(event)
            and all(advanced.matches(event, arrays=arrays) for advanced in self.advanced_filters)
        )

    def limits(self) -> list[str]:
        """The service's limits that the filter exceeds, one sentence each; `matches` does not enforce them."""
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
