"""What JSON may look like, and the words for what it should not."""

from typing import Any

import pytest

from emulator.http.shapes import (
    Anything,
    Flag,
    ListOf,
    MapOf,
    Members,
    Number,
    OneOf,
    Scalar,
    Shape,
    Span,
    Text,
    Variant,
    Whole,
)

OBJECT = Members({"a": Text()}, {"b": Whole(1, 9), "c": ListOf(Flag())}, frozenset({"id"}))
KINDS = Variant("kind", {"a": Members({"kind": Text()}), "b": Members({"kind": Text()}, {"x": Number()})})


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        (Text("^a", 2), "ab"),
        (Whole(), 0),
        (Number(), 0.5),
        (Number(), 1),
        (Flag(), False),
        (OneOf(("Managed", "Key")), "Key"),
        (Scalar(), 1),
        (Anything(), [None]),
        (MapOf(Text()), {}),
        (OBJECT, {"a": "x", "b": None, "c": [True], "id": 1}),
        (KINDS, {"kind": "b", "x": 2}),
        *((Span(), text) for text in ("PT30S", "P1D", "PT0.5S", "P1DT2H", "PT1H30M")),
    ],
)
def test_good_values(shape: Shape, value: Any) -> None:
    assert list(shape.problems(value, "here")) == []


@pytest.mark.parametrize(
    ("shape", "value", "problems"),
    [
        (Text(), 1, ["here must be a text, not a number"]),
        (Text("^a"), "b", ["here 'b' does not match ^a"]),
        (Text(least=1), "", ["here must have at least 1 character(s)"]),
        (Whole(), True, ["here must be a whole number, not a boolean"]),
        (Whole(), 1.0, ["here must be a whole number, not a number"]),
        (Whole(1, 9), 10, ["here 10 is not from 1 to 9"]),
        (Whole(), 2**31, ["here 2147483648 is not from -2147483648 to 2147483647"]),
        (Number(), "1", ["here must be a number, not a text"]),
        (Flag(), 0, ["here must be true or false, not a number"]),
        (OneOf(("A", "B")), None, ["here None is none of A, B"]),
        (OneOf(("A", "B")), "a", ["here 'a' is none of A, B"]),
        (Scalar(), {}, ["here must be a text, not an object"]),
        (MapOf(Text()), None, ["here must be an object, not null"]),
        (
            MapOf(Text()),
            {"x": 1, "y": 2},
            ["here.x must be a text, not a number", "here.y must be a text, not a number"],
        ),
        (ListOf(Text()), {}, ["here must be a list, not an object"]),
        (ListOf(Text()), ["a", 1], ["here[1] must be a text, not a number"]),
        (OBJECT, [], ["here must be an object, not a list"]),
        (OBJECT, {"b": 0, "z": 1}, ["here.a is required", "here.b 0 is not from 1 to 9", "here.z is not a member"]),
        (KINDS, [], ["here must be an object, not a list"]),
        (KINDS, {}, ["here.kind is required"]),
        (KINDS, {"kind": 1}, ["here.kind 1 is none of a, b"]),
        (KINDS, {"kind": "c"}, ["here.kind 'c' is none of a, b"]),
        (KINDS, {"kind": "a", "x": 1}, ["here.x is not a member"]),
        *(
            (Span(), text, [f"here {text!r} is not an ISO 8601 duration"])
            for text in ("30", "P", "PT", "1D", "PT5", 30)
        ),
    ],
)
def test_bad_values_are_told_with_their_place(shape: Shape, value: Any, problems: list[str]) -> None:
    found = [f"{where} {what}" for where, what in shape.problems(value, "here")]
    assert len(found) == len(problems)
    for said, expected in zip(found, problems, strict=True):
        assert said.startswith(expected)


def test_the_body_itself_has_no_name() -> None:
    assert list(OBJECT.problems({}, "")) == [("a", "is required")]
