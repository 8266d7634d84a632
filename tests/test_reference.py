"""docs/reference: what the code determines is as the code has it."""

import re

import pytest

from docs.generate import PAGES, ROOT
from docs.generate.cost import MAILS, TIME, quantities
from docs.generate.table import row
from handlers import builtin, find
from mlevents.__main__ import COMMANDS

pytestmark = pytest.mark.services  # importing all commands starts a process: an SDK asks about the platform


@pytest.mark.parametrize("path", PAGES)
def test_generated_pages_are_current(path: str) -> None:
    """To fix a failure, run ``.venv/bin/python -m docs.generate``."""
    assert (ROOT / path).read_text(encoding="utf-8") == PAGES[path]()


def test_the_reference_of_keys_has_each_setting_of_each_handler() -> None:
    """With a default, or that it is required."""
    page = PAGES["docs/reference/keys.md"]()
    for name in builtin():
        [section] = re.findall(rf"^### {name}\n(.*?)(?=^###)", page + "###", re.DOTALL | re.MULTILINE)
        fields = find(name).model_fields
        assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [field.alias or n for n, field in fields.items()]
    assert "| `traffic` | a list of numbers | `[10, 50, 100]` |" in page
    assert "| `bake` | a span | `10m` |" in page


def test_the_reference_of_commands_has_each_command_with_its_options() -> None:
    page = PAGES["docs/reference/commands.md"]()
    assert re.findall(r"^## (\S+)$", page, re.MULTILINE) == list(COMMANDS)
    assert "### azure register-model\n" in page
    assert "| `--from` | `TIME` | Not before this time. |\n" in page
    assert "| `EVENT_ID` | | An event's Event Grid id, or its key. |\n" in page


def test_costs_are_units_times_prices() -> None:
    """Two calls of a second on 2 GB, and a mail, for each of a million events."""
    units = quantities(1, 1.0)
    assert (units[TIME], units[MAILS]) == (4_000_000, 1_000_000)
    assert "| 4,000,000 → 104.00 $ |" in PAGES["docs/cost.md"]()
    total = sum(price.dollars * number for price, number in units.items())
    assert f"| **{total:,.2f} $** |" in PAGES["docs/cost.md"]()


def test_cells_of_tables_have_one_line_and_no_bar() -> None:
    assert row(["`a`", "", "x |\n y"]) == "| `a` | | x \\| y |"
