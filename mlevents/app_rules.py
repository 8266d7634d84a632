"""The check of an app before it runs: `mlevents start` and `mlevents check` report the same errors."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from dispatch.app import App
from dispatch.rules.rule import Rules
from dispatch.settings import Environment, SettingsError
from handlers.base import RetryLater
from handlers.email.settings import EmailSettings
from mlevents.console import Console
from mlevents.findings import Finding, Summary, of_loader
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
    """Print the errors and warnings of the loader, and how many rules are in force."""
    found = of_loader(rules)
    print_findings(found, Summary.of(rules, found), console)


def print_findings(findings: Iterable[Finding], summary: Summary, console: Console) -> None:
    """Print a line for each finding, and the summary."""
    for finding in findings:
        mark = "warning: " if finding.severity == "warning" else ""
        console.print(f"{mark}{finding.text}", finding.severity, indent=4)
    console.print(summary.text, "error" if summary.errors else "success")
