"""The default text and HTML of a mail, for every event type."""
