"""docs/cost.md: what a million events cost, computed from published prices. Change a price or a quantity here."""

from collections.abc import Iterator
from dataclasses import dataclass

from docs.generate.table import row

MILLION = 1_000_000
READ_ON = "2026-12-01"  # when the prices were read
ALONE, BUSY = 1.0, 0.1  # seconds for which a call occupies an instance
ACTIONS = 1  # of an event in the second and third column; each sends a mail

_INTRODUCTION = f"""\
# Cost

What a million events cost, in US dollars without tax, from list prices of the region East US that were read on
{READ_ON}. `python -m docs.generate` computes this page; to redo it with your prices and quantities, change
docs/generate/cost.py. Azure's invoice is what counts, and the
[pricing calculator](https://azure.microsoft.com/pricing/calculator/) knows your region.

Most teams have a few thousand events a month: they stay within the free grants of Functions, Event Grid and Log
Analytics, and pay cents for storage and mails. A cell has the number of units, and what they cost.
"""
_ASSUMPTIONS = f"""\
## What is assumed

- An instance has 2 GB. Called *alone*, each call occupies one for {ALONE:g} s: events that are spread over the month.
  *Busy*, calls share instances, and each counts {BUSY:g} s: events that come in bursts. Real apps are in between.
- Free grants of a month are not subtracted, nor reservations.
- An event without an action is one call, and one with an action two. Waiting costs nothing: an action that waits for a
  deployment is called once in a while, and each of these calls counts like another action.
- Every row that a transaction writes is counted as one operation on tables. The sweep's index and the purge are in the
  numbers.
- A mail has 20 kB. SMTP has the price of your mail server, which may be none.
- Each call writes 4 kB to Log Analytics, with the host's own lines and without sampling. This is the largest part of a
  busy app: raise `logLevel` in host.json, or set a daily cap, if it is too much.
- The record keeps 5 kB an event, and 20 kB more with its mail, for 90 days.

Not included: network, Key Vault, alert rules (about a dollar a month each), a private network (private endpoints cost
about 7 dollars a month each, and three are needed), and what the actions start: endpoints and training cost far more
than the events that lead to them.

## Without any event

The timers run {{timers:,}} times a month, and the host polls its queues: about a dollar a month, mostly covered by the
free grant.

## Sources

Prices of azure.microsoft.com/pricing/details, pages *Functions* (Flex Consumption, on demand), *Event Grid* (basic),
*Storage Tables* and *Storage Queues* (LRS), *Monitor* (Analytics Logs) and *Communication Services* (email), as public
documents that cite them state them in 2026. No price was read from an invoice.
"""


@dataclass(frozen=True, slots=True)
class Price:
    """A meter: its unit, and dollars for one unit."""

    meter: str
    unit: str
    dollars: float


EXECUTION = Price("Functions: executions", "1,000,000", 0.40)
TIME = Price("Functions: execution time", "GB-second", 0.000026)
EVENT_GRID = Price("Event Grid: operations", "1,000,000", 0.60)
TABLES = Price("Tables: operations", "10,000", 0.00036)
QUEUES = Price("Queues: operations", "10,000", 0.0004)
SPACE = Price("Tables: space", "GB and month", 0.045)
LOGS = Price("Log Analytics: ingestion", "GB", 2.30)
MAILS = Price("Communication Services: mails", "mail", 0.00025)
MAIL_DATA = Price("Communication Services: data", "MB", 0.00012)


def quantities(actions: int, seconds: float) -> dict[Price, float]:
    """How many units of each meter a million events need, with so many actions each that mail."""
    calls = 1 + actions
    rows = 2 + 3 + 3 + actions * (2 + 1 + 1 + 4 + 3 + 4)  # received, indexed, purged; claimed, settled, and the same
    return {
        EXECUTION: calls,
        TIME: calls * MILLION * 2 * seconds,
        EVENT_GRID: 2,  # the event comes in, and is delivered
        TABLES: rows * MILLION / 10_000,
        QUEUES: actions * 3 * MILLION / 10_000,  # put, get, delete
        SPACE: (5 + 20 * actions) * 3,  # kB an event are GB a million; three months
        LOGS: calls * 4,
        MAILS: actions * MILLION,
        MAIL_DATA: actions * MILLION * 0.02,
    }


def page() -> str:
    """The page."""
    timers = 2 * 12 * 730
    return "\n".join([_INTRODUCTION, *_table(), _ASSUMPTIONS.replace("{timers:,}", f"{timers:,}")])


def _table() -> Iterator[str]:
    columns = [quantities(0, ALONE), quantities(ACTIONS, ALONE), quantities(ACTIONS, BUSY)]
    yield row(["meter", "price", "no action", "a mail each, alone", "a mail each, busy"])
    yield "|---|---|---:|---:|---:|"
    for price in columns[0]:
        cells = [_product(column[price], price) for column in columns]
        yield row([price.meter, f"{price.dollars:.6f}".rstrip("0") + f" $ for {_one(price.unit)}", *cells])
    totals = [sum(price.dollars * number for price, number in column.items()) for column in columns]
    yield row(["**all**", "", *(f"**{total:,.2f} $**" for total in totals)])
    yield ""


def _one(unit: str) -> str:
    return unit if unit[0].isdigit() else f"a {unit}"


def _product(number: float, price: Price) -> str:
    return f"{number:,.0f} → {number * price.dollars:,.2f} $" if number else ""
