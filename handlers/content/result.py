"""The parts of a message in a rule with ``after``: how the followed rule ended, in words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from handlers.content.button import is_studio_link
from handlers.content.text import one_line

_CLAUSE = re.compile(r"(?P<first>.+?)[:;.]\s+(?P<rest>.+)")
_ANNOUNCED = re.compile(r"\. [^.:]{1,40}:$")  # as in: Now y. The log is there: LINK
_LONGEST = 90  # characters of a clause that is the headline
_FEWEST = 3  # words of it: "HTTP 400" alone would say nothing


@dataclass(frozen=True, slots=True)
class FollowedResult:
    """How the rule that this one follows has ended.

    `headline` is the first clause of its summary, if that can stand alone, and `lead` the rest. `link` leads to what
    was created or has failed, if the result names it.
    """

    rule: str
    status: str  # succeeded, skipped or failed
    subject: str
    headline: str
    lead: tuple[str, ...]
    link: str
    details: Mapping[str, Any]

    @classmethod
    def of(cls, result: Mapping[str, Any] | None, about: str, *, alert: bool = False) -> Self | None:
        """Read a result from the view of an event; None if the rule follows no other. An alert is about the rule."""
        if not result:
            return None
        rule, status = result["rule"], result["status"]
        ended = "was skipped" if status == "skipped" else status
        subject = one_line(f"{rule} {ended} for {about}", 200)
        text, link = _without_link(one_line(result["summary"], 1_000))
        details = {name: value for name, value in result["details"].items() if name != "link"}
        headline, lead = (None if alert else _clauses(text)) or (subject, text)
        return cls(
            rule,
            status,
            subject,
            f"Rule {subject}" if headline == subject else capitalized(headline),
            (capitalized(lead),) if lead else (),
            str(result["details"].get("link", "")) or link,
            details,
        )

    @property
    def fact(self) -> str:
        """The rule and how it ended; empty if the headline says so."""
        ended = "was skipped" if self.status == "skipped" else self.status
        return "" if self.headline == f"Rule {self.subject}" else f"rule {self.rule} {ended}"


def _without_link(text: str) -> tuple[str, str]:
    """The text, and the link to a studio with which it ends."""
    rest, _, last = text.rpartition(" ")
    if not is_studio_link(last) or last.endswith("…"):
        return text, ""
    return _ANNOUNCED.sub(".", rest), last


def _clauses(text: str) -> tuple[str, str] | None:
    """The text as a headline and the rest; None if no clause is a headline."""
    match = _CLAUSE.fullmatch(text)
    first, rest = (match["first"], match["rest"]) if match else (text, "")
    if not rest:
        first = first.rstrip(".")
    fits = len(first) <= _LONGEST and len(first.split()) >= _FEWEST
    return (first, rest) if fits else None


def capitalized(text: str) -> str:
    """The text with a capital, unless it begins with a name such as churn:3."""
    word = text.partition(" ")[0].rstrip(".:,;")
    return text[:1].upper() + text[1:] if word.isalpha() else text
