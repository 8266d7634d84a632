"""``${RULES_NAME}`` in a rules file: the value of an app setting. ``$${`` is a literal ``${``.

Settings are filled in after YAML has been parsed: whatever a value contains, it stays inside its text.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import TypeAlias

from schemas.errors import shown

PREFIX = "RULES_"

_MARK = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_NAME = re.compile(PREFIX + r"[A-Za-z0-9_]+")
_OTHER_FORM = re.compile(rf"(?<!\$)\$({PREFIX}\w+)|\$\(({PREFIX}\w+)\)|%({PREFIX}\w+)%")  # of other tools
_KEY_VAULT = re.compile(r"\s*@Microsoft\.KeyVault\(", re.IGNORECASE)
_WHERE = "Set it in the function app's settings in Azure, or in local.settings.json on your machine."


_SHORTEST_TYPO, _LONG_WORD = 3, 8  # letters
Problem: TypeAlias = tuple[str, str | Callable[[], str]]  # a message, and a hint or the function that finds it


@dataclass(frozen=True, slots=True)
class Substituted:
    """A text with its settings filled in; pairs of value and placeholder; pairs of error and hint."""

    text: str
    settings: tuple[tuple[str, str], ...] = ()
    errors: tuple[Problem, ...] = ()


def substitute(text: str, settings: Mapping[str, str]) -> Substituted:
    """Fill in the settings that a text names. A placeholder of a setting that is not available remains."""
    errors: list[Problem] = []
    used: list[tuple[str, str]] = []

    def value(mark: re.Match[str]) -> str:
        if mark[0] == "$${":
            return "${"
        problem = _problem(mark[1], settings, is_template=mark[0] == "${" and mark.string.startswith("{", mark.end()))
        if problem:
            errors.append(problem)
            return mark[0]
        used.append((settings[mark[1]], mark[0]))
        return settings[mark[1]]

    filled = _MARK.sub(value, text)
    if _KEY_VAULT.match(text):
        errors.append(_KEY_VAULT_IN_FILE)
    return Substituted(filled, tuple(used), tuple(errors))


def other_form(text: str) -> tuple[str, str] | None:
    """What a text says where it names a setting as other tools do, ``$RULES_NAME``: a message and a hint."""
    found = _OTHER_FORM.search(text)
    if found is None:
        return None
    name = next(filter(None, found.groups()))
    return f"{shown(found[0])} is not replaced by a setting", f"Write ${{{name}}}."


_KEY_VAULT_IN_FILE = (
    "a Key Vault reference works only as the value of an app setting",
    f"Give a setting {PREFIX}… this value and write ${{{PREFIX}…}} here.",
)


def _problem(name: str | None, settings: Mapping[str, str], *, is_template: bool = False) -> Problem | None:
    if is_template:
        return (
            "'${{' is neither a template nor a setting",
            f"Write {{{{ … }}}} for a template, ${{{PREFIX}NAME}} for a setting.",
        )
    if name and "." in name and not name.startswith(PREFIX):
        return f"{shown(name)} is not the name of a setting", f"For a value of the event, write {{{{ {name} }}}}."
    if not name:
        return "'${' without the name of a setting", f"Write ${{{PREFIX}NAME}}, or $${{ for a literal ${{."
    if not name.startswith(PREFIX):
        hint = f"Name the setting {PREFIX}{name}: rules cannot read the app's other settings and their secrets."
        return f"rules may only read settings whose names begin with {PREFIX}, not {shown(name)}", hint
    if not _NAME.fullmatch(name):
        return f"{shown(name)} is not the name of a setting", f"After {PREFIX} come letters, digits and underscores."
    if name not in settings:
        return f"the app setting {name} is not set", lambda: _similar(name, settings)
    if _KEY_VAULT.match(settings[name]):
        hint = "Does the app's identity have the role Key Vault Secrets User? On your machine, write the value itself."
        return f"the app setting {name} is a Key Vault reference that was not resolved", hint
    return None


def _similar(name: str, settings: Mapping[str, str]) -> str:
    """Name the setting of which this is a misspelling. ``…_DEV`` is none of ``…_PROD``: it names something else."""
    ours = sorted(setting for setting in settings if setting.startswith(PREFIX))
    meant = next((setting for setting in ours if _is_misspelt(name.upper(), setting.upper())), None)
    return f"Did you mean {meant}?" if meant else _WHERE


def _is_misspelt(name: str, setting: str) -> bool:
    """Does the name differ only by letters within its words, or by underscores?"""
    if name.replace("_", "") == setting.replace("_", ""):
        return True
    pairs = list(zip_longest(name.split("_"), setting.split("_"), fillvalue=""))
    return all(_is_typo(one, other) for one, other in pairs if one != other)


def _is_typo(one: str, other: str) -> bool:
    """Are the words alike except for one or two letters? Short words and numbers are different things."""
    longest = max(len(one), len(other))
    if longest < _SHORTEST_TYPO or re.sub(r"\D", "", one) != re.sub(r"\D", "", other):
        return False
    same = sum(block.size for block in SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks())
    return longest - same <= (1 if longest < _LONG_WORD else 2)
