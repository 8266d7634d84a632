"""What `mlevents init` asks on a terminal."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import typer

from handlers.email.address import parse_address, parse_mailbox
from mlevents.commands.init.wanted import AzError, Wanted, az_list, of_text, unique
from mlevents.console import Console

T = TypeVar("T")


def workspaces(console: Console, *, optional: bool) -> list[Wanted]:
    """Ask for workspaces: those that az lists, by their numbers or names, and others by their ids."""
    known = _listed(console)
    hint = "numbers, names or ids, or all" if known else "their ARM ids, as az ml workspace show --query id prints them"
    question = f"Workspaces whose events are handled ({hint}{'; Enter for none' if optional else ''})"
    default = "" if optional else "all" if known else None
    return _asked(console, question, lambda text: _chosen(text, known, optional=optional), default)


def labels(console: Console, each: Wanted) -> Wanted:
    """Ask for the labels env and team of a workspace."""
    found: dict[str, str] = {}
    console.print(f"Labels of {each.name}; rules choose workspaces by them. Write - for none.")
    for label in ("env", "team"):
        text = typer.prompt(f"  {label}", default=each.suggested.get(label, "-")).strip()
        found |= {label: text} if text != "-" else {}
    return replace(each, labels=found)


def recipients(console: Console) -> list[str]:
    """Ask who is mailed when the app has a problem, and when a run fails."""
    return _asked(console, "Mail addresses for alerts and for failed runs, separated by commas", addresses)


def sender(console: Console, default: str) -> str:
    """Ask for the sender of mails."""
    return _asked(console, "Sender of mails", sender_of, default or None)


def addresses(text: str) -> list[str]:
    """Mail addresses, separated by commas. Raises ValueError."""
    return [parse_address(part.strip()) for part in text.split(",")]


def sender_of(text: str) -> str:
    """An address, or ``Name <address>``. Raises ValueError."""
    parse_mailbox(text)
    return text.strip()


def _asked(console: Console, question: str, read: Callable[[str], T], default: str | None = None) -> T:
    """The answer, once it is valid."""
    while True:
        try:
            return read(typer.prompt(question, default=default, show_default=bool(default)))
        except ValueError as error:
            console.print(str(error), "error")


def _listed(console: Console) -> Sequence[Wanted]:
    console.print("Asking az for workspaces …", "faint")
    try:
        known = az_list()
    except AzError as error:
        console.print(str(error), "faint")
        return ()
    if not known:
        console.print("az lists none in its subscription; az account set --subscription NAME chooses another", "faint")
    for number, each in enumerate(known, 1):
        console.print(f"{number:>4}  {each.name}  in {each.id.resource_group}")
    return known


def _chosen(text: str, known: Sequence[Wanted], *, optional: bool) -> list[Wanted]:
    words = text.replace(",", " ").split()
    if known and [word.casefold() for word in words] == ["all"]:
        return list(known)
    if not words and not optional:
        raise ValueError("there must be a workspace")
    return unique(_one(word, known) for word in words)


def _one(word: str, known: Sequence[Wanted]) -> Wanted:
    if word.isdecimal() and 0 < int(word) <= len(known):
        return known[int(word) - 1]
    return of_text(word, known)
