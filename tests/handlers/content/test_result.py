"""How a followed rule ended, in words."""

import pytest

from handlers.base import Result
from handlers.content.result import FollowedResult

STUDIO = "https://ml.azure.com/runs/r?wsid=/subscriptions/s"


def read(summary: str, status: str = "failed", **details: str) -> FollowedResult:
    found = FollowedResult.of(Result("a-rule", status, summary, details).view(), "model churn:7")
    assert found
    return found


@pytest.mark.parametrize(
    ("summary", "headline", "lead"),
    [
        ("churn:3 was not deployed: HTTP 500: a: b. Now c", "churn:3 was not deployed", "HTTP 500: a: b. Now c"),
        ("the deployment churn-7 is Failed: no quota", "The deployment churn-7 is Failed", "No quota"),
        ("job j has completed in churn-prod", "Job j has completed in churn-prod", ""),
        ("nobody answered the call.", "Nobody answered the call", ""),
        ("HTTP 400: the sender is invalid", "Rule a-rule failed for model churn:7", "HTTP 400: the sender is invalid"),
        ("template: no 'x' here", "Rule a-rule failed for model churn:7", "Template: no 'x' here"),
        ("logged", "Rule a-rule failed for model churn:7", "Logged"),
        ("a " * 100, "Rule a-rule failed for model churn:7", ("A " + "a " * 99).strip()),
        ("", "Rule a-rule failed for model churn:7", ""),
        (f"job j failed: no data. {STUDIO}", "Job j failed", "No data."),
        (f"churn:3 was not deployed: x. Now y. The log is there: {STUDIO}", "churn:3 was not deployed", "X. Now y."),
        (
            f"it was not deployed: x. The end of its log: KeyError: {STUDIO}",
            "It was not deployed",
            "X. The end of its log: KeyError:",
        ),
        ("it was not deployed: https://evil.example/x", "It was not deployed", "https://evil.example/x"),
    ],
)
def test_first_clause_of_the_summary_is_the_headline(summary: str, headline: str, lead: str) -> None:
    """If it can stand alone. A link to a studio becomes the button."""
    found = read(summary)
    assert (found.headline, found.lead) == (headline, (lead,) if lead else ())
    assert found.link == (STUDIO if STUDIO in summary else "")


def test_link_that_was_cut_is_not_used() -> None:
    found = read(f"job j failed: x. {STUDIO[:-1]}…")
    assert (found.link, found.lead) == ("", (f"X. {STUDIO[:-1]}…",))


def test_subject_names_the_rule_and_what_it_was_about() -> None:
    subjects = [read("x", status).subject for status in ("succeeded", "failed", "skipped")]
    assert subjects == [
        "a-rule succeeded for model churn:7",
        "a-rule failed for model churn:7",
        "a-rule was skipped for model churn:7",
    ]


def test_fact_is_not_repeated_under_the_same_headline() -> None:
    assert read("HTTP 400").fact == ""
    assert read("the model is too old", "skipped").fact == "rule a-rule was skipped"


def test_link_of_the_details_wins() -> None:
    found = read(f"job j failed: x. {STUDIO}", link="https://ml.azure.com/runs/other", run="r")
    assert found.link == "https://ml.azure.com/runs/other"
    assert found.details == {"run": "r"}


def test_alert_is_about_the_rule() -> None:
    result = Result("a-rule", "failed", "the mail has no recipient: to is empty").view()
    found = FollowedResult.of(result, "run r", alert=True)
    assert found
    assert found.headline == "Rule a-rule failed for run r"
    assert found.lead == ("The mail has no recipient: to is empty",)


def test_no_result_is_none() -> None:
    assert FollowedResult.of(None, "run r") is None
