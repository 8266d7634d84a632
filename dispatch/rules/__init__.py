"""Rules: which handler acts on which event, loaded from a folder of YAML files."""

from dispatch.rules.loader import load

__all__ = ["load"]
