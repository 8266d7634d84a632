"""The fixtures of the tests of deploy, and a function that writes a file beside the rules."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.handlers.deploy.conftest import azure, make, serving

__all__ = ["azure", "make", "serving"]

Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file into the rules folder; return its name, as a rule has it."""

    def to(name: str, text: str) -> str:
        path = tmp_path / "rules" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return name

    return to
