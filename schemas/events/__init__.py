"""The event types, one file each. To add one, see docs/architecture.md, "Add an event type"."""
