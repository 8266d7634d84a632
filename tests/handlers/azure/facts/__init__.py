"""Tests of handlers.azure.facts."""
