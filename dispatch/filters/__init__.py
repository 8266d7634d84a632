"""Event Grid's filters: their operators, evaluated here, and the conditions of a rule that use them."""

from dispatch.filters.event_filter import EventFilter

__all__ = ["EventFilter"]
