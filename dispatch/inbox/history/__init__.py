"""The read model of the record: events and actions by day, by filter and by name."""
