"""The check of an app before it runs: `mlevents start` and `mlevents check` report the same errors."""

import sys
from collections.abc import Mapping
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


def print_rules(rules: Rules, console: Console) -> None:
    """Print the errors of the rules, and how many rules are in force."""
    for error in rules.errors:
        console.print(str(error), "error", indent=4)
    count = len(rules.errors)
    errors = "no errors" if not count else "1 error" if count == 1 else f"{count} errors"
    if rules.workspaces is None:
        verdict = f"no rule acts until workspaces.yaml is valid; {errors}"
    else:
        verdict = f"{len(rules.by_name)} rules in force, {errors}"
    console.print(verdict, "error" if rules.errors else "success")
