"""The licenses of what is installed, from its metadata, and those that this project accepts."""

from importlib.metadata import Distribution
from typing import Any

from license_expression import ExpressionError, get_spdx_licensing

# Permissive licenses, and MPL-2.0, whose terms cover only its own files.
ACCEPTED = {
    *("0BSD", "Apache-2.0", "BlueOak-1.0.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0"),
    *("CNRI-Python", "ISC"),
    *("MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Python-2.0", "Unlicense", "WTFPL", "Zlib"),
}
_NAMES = {  # classifiers of the Python Package Index, and a name in the metadata of protobuf, as SPDX ids
    "Apache Software License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
_NO_LICENSE = {"DFSG approved", "OSI Approved"}  # classifiers that name a group of licenses
_SPDX = get_spdx_licensing()


def license_of(distribution: Distribution) -> str:
    """The license of a distribution as an SPDX expression, or else as its metadata has it; "" if it has none.

    Several classifiers are joined by AND: each license must be acceptable.
    """
    metadata = distribution.metadata
    texts = [*metadata.get_all("License-Expression", []), *metadata.get_all("License", [])]
    for text in texts:
        if _parsed(text) is not None:
            return str(text)
    lines = [line.split(" :: ")[-1] for line in metadata.get_all("Classifier", []) if line.startswith("License :: ")]
    named = [_NAMES.get(line, line) for line in lines if line not in _NO_LICENSE]
    text = "".join(texts).strip()
    return " AND ".join(dict.fromkeys(named)) or _NAMES.get(text, text)


def is_accepted(license: str) -> bool:
    """Is this SPDX expression satisfied by accepted licenses? No text that is not an expression is."""
    expression = _parsed(license)
    return expression is not None and _satisfied(expression)


def _satisfied(expression: Any) -> bool:
    if isinstance(expression, _SPDX.OR):
        return any(map(_satisfied, expression.args))
    if isinstance(expression, _SPDX.AND):
        return all(map(_satisfied, expression.args))
    return str(expression) in ACCEPTED


def _parsed(text: str) -> Any:
    """The SPDX expression in a text; None if it is none, or names an unknown license."""
    try:
        return _SPDX.parse(text.strip(), validate=True, strict=True)
    except ExpressionError:
        return None
