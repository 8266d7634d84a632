"""Tests of handlers/github."""
