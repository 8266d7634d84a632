"""Print the software bill of materials of the deployed app, as CycloneDX JSON: run by ``make sbom``.

It lists the distributions of requirements.txt that Azure installs with this Python, their licenses, and what requires
what. It reads the lock file and the metadata of what is installed, and needs no network.
"""

import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution, requires

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from licenses import license_of
from locks import ROOT, Pin, read_lock


def bill_of_materials() -> Bom:
    """The bill of materials. Raises PackageNotFoundError if a distribution is not installed."""
    pins = [pin for pin in read_lock((ROOT / "requirements.txt").read_text(encoding="utf-8")) if pin.applies]
    components = {pin.name: _component(pin) for pin in pins}
    bom = Bom(components=components.values())
    bom.metadata.component = app = _app()
    bom.register_dependency(app, [components[pin.name] for pin in pins if pin.inputs])
    for name, component in components.items():
        bom.register_dependency(component, [components[each] for each in _required(name) if each in components])
    return bom


def _app() -> Component:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Component(
        name=project["name"],
        version=project["version"],
        type=ComponentType.APPLICATION,
        bom_ref=project["name"],
        licenses=[LicenseFactory().make_from_string(project["license"])],
    )


def _component(pin: Pin) -> Component:
    version = str(pin.version)
    purl = PackageURL("pypi", name=pin.name, version=version)
    license = license_of(distribution(pin.name))
    return Component(
        name=pin.name,
        version=version,
        purl=purl,
        bom_ref=purl.to_string(),
        licenses=[LicenseFactory().make_from_string(license)] if license else [],
    )


def _required(name: str) -> Iterable[str]:
    """What a distribution requires with this Python, without its extras."""
    for text in requires(name) or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


if __name__ == "__main__":
    sys.stdout.write(JsonV1Dot6(bill_of_materials()).output_as_string(indent=2) + "\n")
