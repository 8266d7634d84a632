"""The limits in docs/guarantees.md are those of the code."""

import re
from datetime import timedelta
from pathlib import Path

from dispatch.inbox.actions import MAX_ACTIONS
from dispatch.inbox.leases import MAX_CRASHES
from dispatch.inbox.purge import MAX_READS
from dispatch.rules import cross_checks, errors
from dispatch.rules.reading.nodes import MAX_ERRORS
from dispatch.sweep import MAX_DAYS
from handlers import base, bounded_yaml, file_field
from handlers.content import summary
from handlers.email import content, recipients, smtp_connection
from handlers.errors import MAX_RETRY_AFTER
from handlers.log import MESSAGE_LIMIT
from handlers.slack import message
from handlers.teams import card
from handlers.teams import handler as teams
from handlers.templates import budget, limits
from schemas import drift, plain

TEXT = (Path(__file__).parents[2] / "docs" / "guarantees.md").read_text()
TABLES = [
    {cells[0]: cells[1] for row in table.splitlines()[2:] if (cells := [cell.strip() for cell in row.split("|")[1:]])}
    for table in re.findall(r"(?:^\|.*\n)+", TEXT.partition("## Limits")[2].partition("\n## ")[0], re.MULTILINE)
]
OF_CONTENT = {
    "levels of nesting in an event": plain.DEPTH_LIMIT,
    "digits of a whole number in an event": plain._DIGITS_LIMIT,
    "problems that a rejection lists": plain._PROBLEMS_LIMIT,
    "characters of a drift message that are searched for violations": drift._READ,
    "bytes of a rules file, a job file, or the file of an endpoint or a deployment": bounded_yaml.MAX_BYTES,
    "nodes of such a file, with aliases written out": bounded_yaml.MAX_NODES,
    "levels of nesting in such a file": bounded_yaml.MAX_LEVELS,
    "errors of a rules file that are listed": MAX_ERRORS,
    "circles of rules that are listed": cross_checks._CIRCLES,
    "names that a hint lists": errors._LISTED,
    "names between the dots of a condition's key": plain.MAX_NAMES,
    "bytes of another file that a rule names": file_field.MAX_BYTES,
    "characters of a template": limits.MAX_SOURCE,
    "units of work of a template (handlers/templates/budget.py)": budget.MAX_WORK,
    "numbers of a `range` in a template": limits.MAX_RANGE,
    "digits of a whole number in a template": budget.MAX_DIGITS,
    "recipients of a mail": recipients.MAX_RECIPIENTS,
    "characters of a mail's subject": content.SUBJECT_LIMIT,
    "characters of a mail's text part": content.TEXT_LIMIT,
    "characters of a mail's HTML part": content.HTML_LIMIT,
    "rows of a table in a mail": summary._ROWS_LIMIT,
    "characters of a value in such a table": summary._VALUE_LIMIT,
    "seconds of a conversation with a mail server": int(smtp_connection.MAX_SECONDS),
    "bytes of a reply of a mail server": smtp_connection.MAX_REPLY,
    "bytes of a default card for Teams": card.MESSAGE_LIMIT,
    "bytes of a card of one's own": teams.OWN_LIMIT,
    "bytes of a message to Slack": message.MESSAGE_LIMIT,
    "characters of a message of `do: log`": MESSAGE_LIMIT,
}


def number(value: int) -> str:
    """As the page writes it: digits in groups of three."""
    return f"{value:,}".replace(",", " ")


def test_limits_of_content_are_those_of_the_code() -> None:
    assert TABLES[1] == {name: number(value) for name, value in OF_CONTENT.items()}


def test_limits_of_actions_are_those_of_the_code() -> None:
    listed = TABLES[0]
    assert listed["actions on one event, or after one end"] == number(MAX_ACTIONS)
    assert listed["a handler's state"] == f"{number(base.STATE_LIMIT)} characters of JSON"
    assert listed["summary, reason, note"] == f"{number(base.TEXT_LIMIT)} characters"
    assert listed["details"] == f"{base.DETAILS_LIMIT}, of {number(base.DETAIL_LIMIT)} characters"
    assert listed["crashes of one action"] == f"{MAX_CRASHES} consecutive"
    assert listed["a service's `Retry-After`"] == f"{MAX_RETRY_AFTER // timedelta(hours=1)} h"
    assert listed["days that one sweep visits"] == number(MAX_DAYS)
    assert listed["days that one sweep purges"].endswith(f"in {number(MAX_READS)} reads")
