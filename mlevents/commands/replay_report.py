"""The command line of ``mlevents replay``: what can be asked for, and what cannot be asked for together."""

import argparse
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_HELP = "run events again, or take in what did not get in, on this machine's or a deployed app's storage"
_MORE = """times are ISO 8601, in UTC unless they say otherwise: 2026-11-22, 2026-11-22T08:00, 2026-11-22T08:00+01:00. A
date is its first moment. Exit code: 0 if all was done, 1 if something was not. docs/replay.md has examples."""

# Which options go with which of the four things.
_FOR = {
    "event": {"day", "rule", "all", "same_key"},
    "unmatched": {"since", "until"},
    "rejected": {"since", "until"},
    "dead_letters": {"since", "until", "prefix", "delete"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be replayed: an event, by its id or its key, or one of the other three."""

    event: str = ""
    day: str = ""
    rule: str = ""
    all: bool = False
    same_key: bool = False
    unmatched: bool = False
    rejected: bool = False
    dead_letters: str = ""  # a container's name or URL
    since: datetime | None = None
    until: datetime | None = None
    prefix: str = ""
    delete: bool = False
    dry_run: bool = False


def add_replay(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", shared: argparse.ArgumentParser
) -> None:
    """Add the command to `mlevents`."""
    parser = commands.add_parser("replay", parents=[shared], help=_HELP, description=_HELP, epilog=_MORE)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("event", nargs="?", default="", metavar="EVENT_ID", help="an event's Event Grid id, or its key")
    what.add_argument("--unmatched", action="store_true", help="the events of a span that matched no rule")
    what.add_argument("--rejected", action="store_true", help="what was rejected, and would not be today")
    what.add_argument("--dead-letters", default="", metavar="CONTAINER", help="what is in this blob container, or URL")
    event = parser.add_argument_group("of an event")
    event.add_argument("--day", type=_day, help="only an event of this day, or `undated`")
    which = event.add_mutually_exclusive_group()
    which.add_argument("--rule", default="", help="only this rule's action, however it ended")
    which.add_argument("--all", action="store_true", help="also what succeeded")
    event.add_argument("--same-key", action="store_true", help="keep the keys: finish what may have been done already")
    span = parser.add_argument_group("of the others")
    span.add_argument("--from", dest="since", type=_moment, metavar="TIME", help="not before this")
    span.add_argument("--until", type=_moment, metavar="TIME", help="before this")
    span.add_argument("--prefix", default="", help="only dead letters whose names begin so: SUBSCRIPTION/2026/11")
    span.add_argument("--delete", action="store_true", help="delete dead letters that were taken in")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.set_defaults(parser=parser)


def wish(parsed: argparse.Namespace) -> Wish:
    """What the command line asks for. Ends the process if that cannot be."""
    given: dict[str, Any] = {name: value for name in Wish.__dataclass_fields__ if (value := getattr(parsed, name))}
    [what] = [name for name in _FOR if name in given] or ["event"]
    for name in sorted(set().union(*_FOR.values()) - _FOR[what]):
        if name in given:
            option = "--from" if name == "since" else f"--{name.replace('_', '-')}"
            parsed.parser.error(f"{option} does not go with {_named(what)}")
    if what == "unmatched" and not (parsed.since and parsed.until):
        parsed.parser.error("--unmatched needs --from and --until")
    if parsed.since and parsed.until and parsed.since >= parsed.until:
        parsed.parser.error("--from is not before --until")
    return Wish(**given)


def _named(what: str) -> str:
    return "EVENT_ID" if what == "event" else f"--{what.replace('_', '-')}"


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 2026-11-22 or 2026-11-22T08:00") from None


def _day(text: str) -> str:
    if text != "undated" and not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write 2026-11-22, or undated")
    return text
