"""Process events again: recorded events, rejected events and dead letters."""
