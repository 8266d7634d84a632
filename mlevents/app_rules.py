"""The check of an app before it runs: `mlevents start` and `mlevents check` report the same errors."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dispatch.app import App
from dispatch.rules.rule import Rules
from dispatch.settings import Environment, SettingsError
from handlers.base import RetryLater
from handlers.email.settings import EmailSettings
from mlevents.console import Console
from mlevents.local.host.host_json import HostJson


def has_rules(app_dir: Path, environment: Mapping[str, str]) -> bool:
    """Does the app have rules? `mlevents start` runs other function apps, too."""
    settings = Environment(environment)
    return bool(settings.raw("MLEVENTS_RULES")) or (app_dir / "rules").is_dir()


def load_rules(app_dir: Path, environment: Mapping[str, str]) -> Rules:
    """Load the rules as the app does, with the handlers in its folder.

    Raises BadFile for an invalid host.json, and SettingsError for an invalid setting. Makes no request.
    """
    if str(app_dir) not in sys.path:
        sys.path.append(str(app_dir))
    HostJson.load(app_dir, environment)
    rules = App.build(environment, app_dir).rules
    if any(name.upper().startswith("EMAIL_") and value.strip() for name, value in environment.items()):
        try:
            EmailSettings.read(environment)
        except RetryLater as error:
            raise SettingsError(str(error)) from error
    return rules


def print_rules(rules: Rules, console: Console, findings: Sequence[str] = ()) -> None:
    """Print the errors and warnings about the rules, further errors in `findings`, and how many rules are in force."""
    errors = [*map(str, rules.errors), *findings]
    for error in errors:
        console.print(error, "error", indent=4)
    for warning in rules.warnings:
        console.print(f"warning: {warning}", "warning", indent=4)
    found = _count(len(errors), "error") if errors else "no errors"
    if rules.warnings:
        found += f", {_count(len(rules.warnings), 'warning')}"
    if rules.workspaces is None:
        verdict = f"no rule acts until workspaces.yaml is valid; {found}"
    else:
        verdict = f"{_count(len(rules.by_name), 'rule')} in force, {found}"
    console.print(verdict, "error" if errors else "success")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
