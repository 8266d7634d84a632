"""Roles: the pages of the handlers name each one that a handler declares, with its id."""

import re
from pathlib import Path
from uuid import UUID

import pytest

from handlers import builtin, find
from handlers.base import Handler
from handlers.roles import READER, Role, Scope

PAGES = Path(__file__).parents[2] / "docs" / "handlers"
PAGE_OF = dict(re.findall(r"\[`(\w+)`\]\((\w+\.md)", (PAGES / "README.md").read_text(encoding="utf-8")))
DECLARED = [(name, role) for name in builtin() for role in find(name).roles]


@pytest.mark.parametrize(("name", "role"), DECLARED, ids=lambda each: each if isinstance(each, str) else each.name)
def test_page_of_a_handler_names_its_roles(name: str, role: Role) -> None:
    page = (PAGES / PAGE_OF[name]).read_text(encoding="utf-8")
    flat = " ".join(page.split())
    assert re.search(rf"{re.escape(role.name)}\W{{1,6}}{role.id}", flat), f"{role.name} ({role.id})"


def test_roles_have_ids_and_purposes() -> None:
    assert {name for name, _ in DECLARED} >= {"deploy", "email", "pipeline"}
    for _, role in DECLARED:
        assert str(UUID(role.id)) == role.id
        assert role.purpose
        assert role.where


def test_ids_and_names_belong_together() -> None:
    assert len({role.id for _, role in DECLARED}) == len({(role.id, role.name) for _, role in DECLARED})


def test_a_handler_needs_no_role_unless_it_says_so() -> None:
    assert Handler.roles == ()
    assert find("log").roles == ()


def test_a_role_is_needed_for_a_purpose() -> None:
    assert READER.needed_for("quota", "all", optional=True) == Role(
        *("Reader", READER.id, Scope.SUBSCRIPTION, "all", "quota", True)
    )
