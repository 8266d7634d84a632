"""The software bill of materials: a valid CycloneDX document of what is deployed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from locks import read_lock

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.services  # another process


@pytest.fixture(scope="module")
def text() -> str:
    """What `make sbom` writes."""
    command = [sys.executable, str(ROOT / ".ci" / "sbom.py")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_bill_is_valid_cyclonedx(text: str) -> None:
    """By the published schema, which the library brings along."""
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"library"', '"book"')) is not None


def test_the_bill_lists_what_azure_installs(text: str) -> None:
    """With the pinned versions, and a license for each."""
    bill: dict[str, Any] = json.loads(text)
    pins = read_lock((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    components = {each["name"]: each for each in bill["components"]}
    assert {name: each["version"] for name, each in components.items()} == {
        pin.name: str(pin.version) for pin in pins if pin.applies
    }
    assert all(each["licenses"] for each in components.values())
    assert not {"pytest", "mypy", "aiohttp"} & components.keys()


def test_the_bill_says_what_requires_what(text: str) -> None:
    """The app requires the distributions of requirements.in, and these require the others."""
    bill: dict[str, Any] = json.loads(text)
    required = {each["ref"].partition("@")[0]: each.get("dependsOn", []) for each in bill["dependencies"]}
    assert len(required) == len(bill["components"]) + 1
    direct = {ref.partition("@")[0] for ref in required["azureml-events"]}
    assert {"pkg:pypi/azure-ai-ml", "pkg:pypi/pydantic"} <= direct
    assert "pkg:pypi/markupsafe" not in direct
    assert [ref.partition("@")[0] for ref in required["pkg:pypi/jinja2"]] == ["pkg:pypi/markupsafe"]
