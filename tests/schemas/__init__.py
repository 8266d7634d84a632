"""Tests of schemas: which events parse, which are refused and why, and what an event prints."""
