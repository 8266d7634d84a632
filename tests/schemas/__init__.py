"""Tests of schemas: what parses, what is refused and why, and what comes out again."""
