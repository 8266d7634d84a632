"""The check of an app before it runs: `mlevents start` and `mlevents check` report the same errors.

As a process, ``python -m mlevents.app_rules FOLDER`` checks the rules with the handlers as they are now. The exit code
is 0, or 1 if there are errors.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from dispatch.app import App
from dispatch.rules.rule import Rules
from dispatch.settings import Environment, SettingsError
from handlers.azure.cloud import arm_endpoint
from handlers.base import RetryLater
from handlers.email.settings import EmailSettings
from mlevents.app_settings import BadFile, LocalSettings
from mlevents.console import Console
from mlevents.findings import Finding, Summary, of_loader
from mlevents.known_settings import APP, MAIL
from mlevents.local.host.host_json import HostJson
from mlevents.project.first_files import has_only_first_files


def has_rules(app_dir: Path, environment: Mapping[str, str]) -> bool:
    """Does the app have rules? `mlevents start` runs other function apps, too."""
    settings = Environment(environment)
    return bool(settings.raw("MLEVENTS_RULES")) or (app_dir / "rules").is_dir()


def note_first_files(app_dir: Path, environment: Mapping[str, str], console: Console) -> None:
    """Print what to do if the rules in force are still the project's examples, about workspaces that do not exist."""
    folder = app_dir / Environment(environment).get("MLEVENTS_RULES", "rules")
    if has_only_first_files(folder):
        console.print(f"the rules in {folder.name} are examples: `mlevents init` writes yours", "warning")


def load_rules(app_dir: Path, environment: Mapping[str, str]) -> Rules:
    """Load the rules as the app does, with the handlers in its folder.

    Raises BadFile for an invalid host.json, and SettingsError for an invalid setting. Makes no request.
    """
    if str(app_dir) not in sys.path:
        sys.path.append(str(app_dir))
    HostJson.load(app_dir, environment)
    rules = App.build(environment, app_dir).rules
    try:
        arm_endpoint(environment)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    if any(name.upper().startswith("EMAIL_") and value.strip() for name, value in environment.items()):
        try:
            EmailSettings.read(environment)
        except RetryLater as error:
            raise SettingsError(str(error)) from error
    return rules


def check_rules(app_dir: Path, console: Console) -> bool:
    """Print the errors in the rules of an app, which do not stop it; False if there are any.

    Raises BadFile and SettingsError, which do stop it.
    """
    environment, _ = LocalSettings.load(app_dir).environment(os.environ)
    if not has_rules(app_dir, environment):
        if (app_dir / "docs/schemas").is_dir():
            text = "there is no folder rules: `mlevents init` writes your first ones; samples/rules has examples"
            console.print(text, "warning")
        return True
    note_first_files(app_dir, environment, console)
    rules = load_rules(app_dir, environment)
    print_rules(rules, environment, console)
    return not rules.errors


def main(app_dir: Path) -> int:
    """Check the rules of an app; returns the exit code."""
    console = Console(sys.stdout)
    try:
        return 0 if check_rules(app_dir, console) else 1
    except (BadFile, SettingsError) as error:
        console.print(str(error), "error")
        return 1


def of_settings(environment: Mapping[str, str], *, all_of: bool = False) -> list[Finding]:
    """A warning for each setting whose name is like one of the app's, which does not read it.

    With `all_of`, also for names that are like none of them, and begin with MLEVENTS_.
    """
    known = APP.keys() | MAIL.keys()
    names = (name for name in sorted(environment) if name.upper().startswith(("MLEVENTS_", "EMAIL_")))
    unknown = (
        (name, get_close_matches(name.upper(), known, n=1, cutoff=0.85)) for name in names if name.upper() not in known
    )
    return [
        Finding("warning", f"the app reads no setting {name}", hint=f"Did you mean {close[0]}?" if close else "")
        for name, close in unknown
        if close or (all_of and name.upper().startswith("MLEVENTS_"))
    ]


def print_rules(rules: Rules, environment: Mapping[str, str], console: Console) -> None:
    """Print the errors and warnings of the loader and of settings, and how many rules are in force."""
    found = of_loader(rules) + of_settings(environment)
    print_findings(found, Summary.of(rules, found), console)


def print_findings(findings: Iterable[Finding], summary: Summary, console: Console) -> None:
    """Print a line for each finding, and the summary."""
    for finding in findings:
        mark = "warning: " if finding.severity == "warning" else ""
        console.print(f"{mark}{finding.text}", finding.severity, indent=4)
    console.print(summary.text, "error" if summary.errors else "success")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
