"""Entries that are added to the text of a YAML file."""

import pytest

from dispatch.rules.reading.yaml import parse
from mlevents.commands.init.yaml_text import CannotAdd, Entry, added, scalar

NEW = Entry(("workspaces",), "new", {"id": "/x/y", "env": "prod"})
LABEL = Entry(("workspaces", "a"), "team", "churn")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "# mine\nworkspaces:\n  a:  { id: x }   # note\n\nalerts: { do: log }\n",
            "# mine\nworkspaces:\n  a:  { id: x, team: churn }   # note\n"
            "  new:\n    id: /x/y\n    env: prod\n\nalerts: { do: log }\n",
        ),
        (
            'workspaces:\n    a:\n        id: "x"   # note\n        # more\n# end\n',
            'workspaces:\n    a:\n        id: "x"   # note\n        team: churn\n'
            "    new:\n        id: /x/y\n        env: prod\n        # more\n# end\n",
        ),
        (
            "workspaces: { a: { id: x, env: dev, } }",
            "workspaces: { a: { id: x, env: dev, team: churn, }, new: { id: /x/y, env: prod } }",
        ),
        (
            "workspaces:\r\n  a:\r\n    id: x",
            "workspaces:\r\n  a:\r\n    id: x\r\n    team: churn\r\n  new:\r\n    id: /x/y\r\n    env: prod\r\n",
        ),
        (
            "workspaces:\n  a: { id: |\n", None,
        ),
        (
            "workspaces:\n  a:\n    id: x\n    about: |\n      two\n      lines\ntimezone: UTC\n",
            "workspaces:\n  a:\n    id: x\n    about: |\n      two\n      lines\n    team: churn\n"
            "  new:\n    id: /x/y\n    env: prod\ntimezone: UTC\n",
        ),
        ("\n\n# only a comment\n", None),
        ("workspaces:\n", None),
        ("workspaces: [a]\n", None),
        ("workspaces:\n  a: &same { id: x }\n  b: *same\n", None),
    ],
)  # fmt: skip
def test_everything_else_stays_as_it_is(before: str, after: str | None) -> None:
    if after is None:
        with pytest.raises(CannotAdd):
            added(before, [LABEL, NEW])
    else:
        assert added(before, [LABEL, NEW]) == after


def test_mapping_that_is_not_all_texts_is_written_on_one_line() -> None:
    alerts = Entry((), "alerts", {"do": "email", "with": {"to": ["a@example.com", "b c"]}})
    text = added("workspaces:\n  a: { id: x }\n", [alerts])
    assert text.endswith('\nalerts: { do: email, with: { to: [a@example.com, "b c"] } }\n')


@pytest.mark.parametrize(
    "text", ["", "true", "No", "1", "1.5", "~", "a: b", "a #b", "{x}", "${RULES_X}", "ä", 'a"b\\', "-"]
)
def test_text_is_read_as_the_same_text(text: str) -> None:
    root = parse(f"key: {scalar(text)}\n".encode(), "x.yaml", {"RULES_X": "${RULES_X}"}).root
    assert root
    assert root.plain() == {"key": text}
    assert scalar("churn-dev") == "churn-dev"
