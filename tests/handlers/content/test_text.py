"""Texts from events without harmful characters."""

from handlers.content.text import clean, one_line


def test_clean_keeps_harmless_characters() -> None:
    text = "Grüße\t模型 🚀 👩‍🔬\nעברית\n"
    assert clean(text) == text


def test_clean_replaces_harmful_characters_and_line_ends() -> None:
    assert clean("a\x00b\ud800c\u202ed\x1be\x7ff\x9bg") == "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffdg"
    assert clean("a\r\nb\rc\u2028d\x0be") == "a\nb\nc\nd\ne"


def test_one_line_has_at_most_limit_characters() -> None:
    assert one_line("abcdef", 4) == "abc…"
    assert one_line("a   b", 4) == "a b"
