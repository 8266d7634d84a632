"""Tests of handlers/azure_devops."""
