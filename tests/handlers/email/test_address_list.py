"""Several mail addresses in one text."""

import pytest

from handlers.email.address_list import MAX_TEXT, split_addresses

A, B = "a@x.com", "b@x.com"


@pytest.mark.parametrize(
    "text",
    [
        f"{A}; {B}",
        f"{A},{B}",
        f" {A}\t{B}\n",
        f"{A}\r\n{B}",
        f"{A}\uff1b{B}",
        f"{A} / {B}",
        f"{A} and {B}",
        f"{A};;{B};",
        f"<{A}> <{B}>",
        f"Ann Lee <{A}>, {B}",
        f"{A} and Bob <{B}>",
        f'"Lee, Ann" <{A}>; "b@evil.example" <{B}>',
        f"mailto:{A}, MAILTO:{B}",
        f'["{A}", "{B}"]',
        f"['{A}', '{B}']",
        f"['{A}', \"{B}\" ]",
        f'["Ann <{A}>; {B}"]',
        f"'{A}' \"{B}\"",
    ],
)
def test_text_with_two_addresses(text: str) -> None:
    assert split_addresses(text) == [A, B]


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("", []),
        (" ;, \n", []),
        ("[]", []),
        ("alice", ["alice"]),
        ("-", ["-"]),
        ('"', ['"']),
        ("<>", [""]),
        (f"Ann Lee {A}", [A, "Ann Lee"]),
        (f"{A}>, <{B}", [f"{A}>", f"<{B}"]),
        (f'"{A}, {B}', [f'"{A}', B]),
        ('{"a": 1}', ['{"a": 1}']),
        ('[1, null, ["x"]]', ["1", "null", '["x"]']),
        ("['\\d']", ["['\\d']"]),
        (f"[None, '{A}']", ["[None", f"'{A}']"]),
        ("[" * 1_000, ["[" * 1_000]),
        ("[" * 9_000 + "]" * 9_000, ["[" * 9_000 + "]" * 9_000]),
    ],
)
def test_what_is_no_address_stays_an_entry(text: str, entries: list[str]) -> None:
    """The caller reports it."""
    assert split_addresses(text) == entries


def test_very_long_text_is_one_entry() -> None:
    text = f"{A};" * MAX_TEXT
    assert split_addresses(text) == [text]
