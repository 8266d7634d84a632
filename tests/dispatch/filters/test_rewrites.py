"""`rewritten`: conditions in the habits of other languages."""

import pytest

from dispatch.filters.condition import Condition
from dispatch.filters.operators import OPERATORS, Operator
from dispatch.filters.rewrites import rewritten


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('data.runStatus == "Failed"', "data.runStatus StringIn Failed"),
        ("data.runStatus=='Failed'", "data.runStatus StringIn Failed"),
        ("data.runStatus = Failed", "data.runStatus StringIn Failed"),
        ("data.runStatus != Failed", "data.runStatus StringNotIn Failed"),
        ("data.runStatus StringEquals Failed", "data.runStatus StringIn Failed"),
        ("data.runStatus stringNotEquals Failed", "data.runStatus StringNotIn Failed"),
        ("data.runStatus Equals 'not responding'", "data.runStatus StringIn 'not responding'"),
        ("data.runStatus is Failed", "data.runStatus StringIn Failed"),
        ("data.runStatus in [Failed, 'Canceled']", "data.runStatus StringIn Failed Canceled"),
        ("data.runStatus not in (Failed)", "data.runStatus StringNotIn Failed"),
        ("data.runTags.owner exists", "data.runTags.owner IsNotNull"),
        ("data.runTags.owner is not null", "data.runTags.owner IsNotNull"),
        ("data.runTags.owner is null", "data.runTags.owner IsNullOrUndefined"),
        ("data.runTags.final == true", "data.runTags.final StringIn true"),
        ("data.runId startswith mle", "data.runId StringBeginsWith mle"),
        ("data.runId contains mle", "data.runId StringContains mle"),
        ("drift.coefficient > 0.5", "drift.coefficient NumberGreaterThan 0.5"),
        ("drift.coefficient<=0.5", "drift.coefficient NumberLessThanOrEquals 0.5"),
        ("drift.coefficient == 0.5", "drift.coefficient NumberIn 0.5"),
        ("drift.coefficient NumberEquals 0.5", "drift.coefficient NumberIn 0.5"),
        ("drift.coefficient between 0.1, 0.5", "drift.coefficient NumberInRange 0.1,0.5"),
    ],
)
def test_a_condition_of_another_language_is_rewritten(text: str, meant: str) -> None:
    """What is suggested is a condition, and the error says so."""
    assert rewritten(text) == meant
    assert str(Condition.parse(meant)) == meant
    with pytest.raises(ValueError, match=r"there is no operator|is not a condition") as error:
        Condition.parse(text)
    assert str(error.value).endswith(f". Did you mean {meant}?")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "data.runStatus",
        "data.runStatus ==",
        "not data.runStatus == Failed",
        "data.runStatus == Failed and data.runType == x",
        "data.runStatus == 'Failed",
        "data.runStatus StringsIn x",
        "data.runTags.owner exists x",
        "a b c",
    ],
)
def test_what_is_not_clear_is_not_rewritten(text: str) -> None:
    assert rewritten(text) is None


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_an_operator_is_never_taken_for_another_language(operator: Operator) -> None:
    """Its own error counts, in any case."""
    with pytest.raises(ValueError, match=f"{operator.name} takes"):
        Condition.parse(f"data.x {operator.name.upper()} {'' if operator.takes else 'x'}")
