"""`Stage`: what `mlevents demo` plays with, a running app and the emulated Azure ML."""

import time
from collections.abc import Callable, Iterator, Mapping
from textwrap import wrap
from typing import Any

from emulator import Azure
from mlevents.console import Console
from mlevents.local.app import LocalApp
from mlevents.local.mailbox import Mail

LONGEST = 240.0  # seconds for each part; fifteen are usual
Part = Callable[[], Iterator[str]]  # plays, and yields a line for each unexpected effect


class Stage:
    """An app, the emulated Azure ML, and a console with the time since the current part began."""

    def __init__(self, local: LocalApp, console: Console) -> None:
        self.local, self.console = local, console
        self._started = time.monotonic()

    @property
    def azure(self) -> Azure:
        """The emulated Azure."""
        return self.local.azure

    @property
    def jobs(self) -> dict[str, str]:
        """The statuses of the jobs that the app has started, by name."""
        jobs = [job for job in self.azure.jobs.all if job["name"].startswith("mle-")]
        return {job["name"]: job["properties"]["status"] for job in jobs}

    def prepare(self) -> None:
        """Make jobs and operations short."""
        self.azure.jobs.set_duration(seconds=1)
        self.azure.operations.set_duration(seconds=0.5)

    def play(self, parts: Mapping[str, Part]) -> list[str]:
        """Play the parts, each under its title, until one takes too long; returns a line for each unexpected effect."""
        errors: list[str] = []
        for title, part in parts.items():
            self.console.print()
            self.console.print(title, "bold")
            self._started = time.monotonic()
            try:
                errors += part()
            except TimeoutError:
                return [*errors, f"{title}: it took longer than {LONGEST:.0f} s; the app printed:", *self.local.lines]
        return errors

    def wait(self, condition: Callable[[], Any], *, pause: float = 0.1) -> Any:
        """Wait until a condition is true, and return its value. Raises TimeoutError."""
        return self.local.wait(condition, LONGEST, pause=pause)

    def mail(self, subject: str, about: str = "") -> Mail:
        """Wait for a mail whose subject begins so, and whose text has the words `about`; print a line for it."""

        def found() -> Mail | None:
            mails = (mail for mail in self.local.mails if mail.subject.startswith(subject) and about in mail.text)
            return next(mails, None)

        mail: Mail = self.wait(found)
        self.print(f"mail to {', '.join(mail.recipients)}: {mail.subject}")
        return mail

    def print(self, text: str) -> None:
        """Print a line with the time since the part began."""
        self.console.print(f"  {time.monotonic() - self._started:5.1f} s  {text}", indent=11)

    def show(self, mail: Mail) -> None:
        """Print the text part of a mail. Its lines have at most 80 columns, but links may be longer."""
        print_ = self.console.print
        print_()
        print_("─" * 76, "faint")
        for name in ("From", "To", "Subject", "List-Id"):
            header = f"{name}: {' '.join(str(mail.message[name]).split())}"
            for line in wrap(header, 76, initial_indent="  ", subsequent_indent="    "):
                print_(line, "bold")
        for line in ["", *mail.text.splitlines()]:
            print_(f"  {line}".rstrip())
        print_("─" * 76, "faint")
