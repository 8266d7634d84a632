"""Run events again: those on record, those that were rejected, and dead letters."""
