"""Triggers: HTTP, queues and timers."""
