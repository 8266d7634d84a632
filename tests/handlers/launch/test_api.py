"""Requests to JSON APIs: paths, and what is loaded before a request."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from handlers.base import GiveUp
from handlers.launch.api import BaseUrl, path_of

ROOT = Path(__file__).resolve().parents[3]
LOADING = """
import sys
from handlers import find
for name in ("github", "azure_devops"):
    find(name)
print([name for name in sys.modules if name.partition(".")[0] in ("AntiSSRF", "jwt") or name == "azure.identity"])
"""


def test_segments_of_a_path_are_encoded() -> None:
    assert path_of("a b/c", 7, "$Bug", "?x#y%") == "/a%20b%2Fc/7/$Bug/%3Fx%23y%25"


@pytest.mark.parametrize("segment", ["", ".", ".."])
def test_segment_that_would_address_something_else_is_refused(segment: str) -> None:
    with pytest.raises(GiveUp, match="cannot be a part of a path"):
        path_of("a", segment)


def test_url_of_a_service_has_no_spaces_around_it_and_no_slash_at_its_end() -> None:
    assert TypeAdapter(BaseUrl).validate_python(" https://github.example.com/api/v3/ ") == (
        "https://github.example.com/api/v3"
    )


@pytest.mark.services
def test_rules_load_without_a_client() -> None:
    """A worker loads what requests need with the first one, and the library for keys of GitHub Apps with a token."""
    done = subprocess.run([sys.executable, "-c", LOADING], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
