"""Licenses: those of everything that is installed are acceptable, and others would be refused."""

import json
from email.message import Message
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any, cast

import pytest

from licenses import is_accepted, license_of
from locks import installed, read_lock

ROOT = Path(__file__).parents[2]
PUBLIC_DOMAIN = {"http://geraintluff.github.io/tv4/LICENSE.txt"}  # of uri-templates, which Azurite uses: public domain


def with_metadata(*headers: tuple[str, str]) -> Distribution:
    """A distribution with this metadata."""

    class Fake(Distribution):
        @property
        def metadata(self) -> Any:
            message = Message()
            for name, value in headers:
                message[name] = value
            return message

        def read_text(self, filename: str) -> str | None:
            return None

        def locate_file(self, path: Any) -> Any:
            raise NotImplementedError

    return Fake()


@pytest.mark.parametrize("lock", installed())
def test_everything_that_is_installed_has_an_accepted_license(lock: str) -> None:
    for pin in read_lock((ROOT / lock).read_text(encoding="utf-8")):
        if pin.applies:
            license = license_of(distribution(pin.name))
            assert is_accepted(license), f"{pin.name}: {license or 'no license'}"


def test_every_package_of_npm_has_an_accepted_license() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    packages.pop("")
    assert len(packages) > 300
    for name, package in packages.items():
        license = cast(str, package.get("license", ""))
        assert license in PUBLIC_DOMAIN or is_accepted(license), f"{name}: {license or 'no license'}"


@pytest.mark.parametrize(
    ("license", "accepted"),
    [
        ("MIT", True),
        ("mit", True),
        ("Apache-2.0 AND MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("Apache-2.0 AND (MIT OR AGPL-3.0-only)", True),
        ("GPL-3.0-or-later", False),
        ("LGPL-2.1-only", False),
        ("AGPL-3.0-only", False),
        ("GNU General Public License v3 (GPLv3)", False),
        ("Apache License, 2.0", False),
        ("MIT OR", False),
        ("no such license", False),
        ("see LICENSE", False),
        ("", False),
    ],
)
def test_an_spdx_expression_of_accepted_licenses_is_accepted(license: str, *, accepted: bool) -> None:
    assert is_accepted(license) is accepted


@pytest.mark.parametrize(
    ("metadata", "license"),
    [
        ([("License-Expression", "BSD-3-Clause"), ("License", "MIT")], "BSD-3-Clause"),
        ([("License", "MIT"), ("Classifier", "License :: OSI Approved :: BSD License")], "MIT"),
        ([("License", "MIT License, see LICENSE"), ("Classifier", "License :: OSI Approved :: MIT License")], "MIT"),
        (
            [
                ("Classifier", "License :: OSI Approved :: MIT License"),
                ("Classifier", "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"),
            ],
            "MIT AND GNU General Public License v3 (GPLv3)",
        ),
        ([("Classifier", "License :: OSI Approved")], ""),
        ([("License", "My own terms\n")], "My own terms"),
        ([("Classifier", "Programming Language :: Python")], ""),
    ],
)
def test_the_license_is_read_from_the_metadata(metadata: list[tuple[str, str]], license: str) -> None:
    """A GPL that stands beside another license is not overlooked."""
    assert license_of(with_metadata(*metadata)) == license
