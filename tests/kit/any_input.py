"""Tests of what holds for any input: some inputs in `make test`, many in `make fuzz`."""

from collections.abc import Callable, Collection
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

_Test: TypeAlias = Callable[..., None]


def any_input(some: int, many: int, **inputs: st.SearchStrategy[Any]) -> Callable[[_Test], _Test]:
    """Call a test with so many inputs, the same in every run: `some`, and `many` with the marker fuzz."""

    def decorated(check: _Test) -> _Test:
        def test(examples: int) -> None:
            settings(max_examples=examples)(given(**inputs)(check))()

        # Not functools.wraps: pytest would look for fixtures called like the inputs.
        test.__name__, test.__qualname__, test.__doc__ = check.__name__, check.__qualname__, check.__doc__
        test.__module__ = check.__module__
        return pytest.mark.parametrize("examples", [some, pytest.param(many, marks=pytest.mark.fuzz)])(test)

    return decorated


def one_in(number: int, values: Collection[Any]) -> list[Any]:
    """Parameters for `pytest.mark.parametrize`: one in so many, and the first, in `make test`; all in `make fuzz`."""
    return [
        value if at % number == 0 else pytest.param(value, marks=pytest.mark.fuzz) for at, value in enumerate(values)
    ]
