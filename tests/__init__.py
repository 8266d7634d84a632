"""Tests: behaviour, named as sentences."""
