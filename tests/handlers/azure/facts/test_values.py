"""Values of any type, and the errors and metrics that are read from them."""

from typing import Any

import pytest

from handlers.azure.facts.metrics import last_metrics
from handlers.azure.facts.parts import Deadline, NotRead, Parts
from handlers.azure.facts.reader import Reader
from handlers.azure.facts.run_errors import run_error
from handlers.azure.facts.values import between, number, seconds, text, texts, time, whole
from tests.handlers.azure.facts.answers import Answer, Service, run_answers


@pytest.mark.parametrize("value", [None, 7, True, [], {}, "", " \n", "\x00\x1b[31m\ud800"])
def test_value_that_is_no_text_is_none(value: Any) -> None:
    assert text(value) is None


def test_long_text_is_cut() -> None:
    assert text("x" * 50, 10) == "x" * 9 + "…"
    assert text("\x00" * 30 + "x", 10) is None


@pytest.mark.parametrize("value", [None, True, "7", float("nan"), float("inf"), 10**400])
def test_value_that_is_no_finite_number_is_none(value: Any) -> None:
    assert number(value) is None


@pytest.mark.parametrize(("value", "found"), [(3, 3), (3.0, 3), (3.5, None), (-1, None), (1e12, None)])
def test_whole_numbers_are_not_negative_and_not_huge(value: Any, found: int | None) -> None:
    assert whole(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        *(("00:10:02.5", 602.5), ("1.02:03:04.1234567", 93_784.123457), ("00:00:00", 0)),
        *((None, None), ("-00:01:00", None), ("PT5M", None), ("9" * 400 + ":00:00", None), ("10:00", None)),
    ],
)
def test_time_span_is_read(value: Any, found: float | None) -> None:
    assert seconds(value) == found


@pytest.mark.parametrize("value", [None, 7, "", "yesterday", "2026-13-01T00:00:00Z", "x" * 10_000])
def test_value_that_is_no_time_is_none(value: Any) -> None:
    assert time(value) is None
    assert between("2026-11-22T09:00:00Z", value) is None


def test_tags_that_are_no_texts_are_left_out() -> None:
    assert texts({"team": "churn", "n": 7, "": "x", "o": {}}) == {"team": "churn"}
    assert len(texts({str(n): "x" for n in range(1_000)})) == 50


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ({"code": "UserError", "message": "no data"}, "UserError", "no data"),
        (
            {"code": "UserError", "innerError": {"code": "BadArgument", "innerError": {"code": "NoData"}}},
            "NoData",
            None,
        ),
        (
            {"code": "SystemError", "innerError": {"code": "OutOfMemory", "innerError": {"code": "UserError"}}},
            "OutOfMemory",
            None,
        ),
        ({"message": '{"error": {"code": "x", "message": "inner"}}'}, None, "inner"),
        ({"message": '{"message": "inner"}'}, None, "inner"),
        ({"message": "{not json"}, None, "{not json"),
        ({"message": '{"NonCompliant": "exit code 137"}'}, None, "exit code 137"),
        ({"message": "{}"}, None, "{}"),
        ({"message": " ", "details": [7, {"message": ""}, {"details": [{"message": "deep"}]}]}, None, "deep"),
        ("denied", None, None),
    ],
)
def test_error_has_its_innermost_code_and_its_outermost_message(error: Any, code: Any, message: Any) -> None:
    for run in ({"error": {"error": error}}, {"error": error}):
        found = run_error(run)
        assert (found.code, found.message) == (code, message)


def metrics_of(*metrics: Any) -> Any:
    service = Service({**run_answers(), "/runs/brave_kiwi/lastvalues": Answer({"value": list(metrics)})})
    return last_metrics(Reader(service.azureml, Deadline.after(30)), f"{service.azureml.path}/runs/brave_kiwi")


def metric(name: str, value: Any, column: str = "Double") -> Any:
    return {"name": name, "columns": {name: column}, "value": [{"data": {name: value}}]}


def test_metrics_are_numbers_and_short_texts() -> None:
    found = metrics_of(
        *(metric("auc", 0.9), metric("epochs", 3), metric("note", "good", "String"), metric("loss", float("nan"))),
        *(metric("plot", "aml://artifact", "Artifact"), metric("table", {"x": 1}), metric("long", "x" * 300)),
        *({"name": "none", "value": []}, {"name": "", "value": [{"data": {"": 1}}]}, 7),
    )
    assert found == {"auc": 0.9, "epochs": 3, "note": "good", "loss": "nan"}


def test_many_metrics_are_cut() -> None:
    assert len(metrics_of(*(metric(f"m{n}", n) for n in range(300)))) == 50


def test_run_without_metrics_has_none() -> None:
    service = Service({key: answer for key, answer in run_answers().items() if not key.endswith("/lastvalues")})
    assert last_metrics(Reader(service.azureml, Deadline.after(30)), f"{service.azureml.path}/runs/brave_kiwi") == {}


def test_defect_in_a_part_is_named() -> None:
    parts = Parts(Deadline.after(30))

    def broken() -> int:
        raise ZeroDivisionError("division by zero")

    with pytest.raises(NotRead, match=r"^ZeroDivisionError: division by zero$"):
        parts.wait(parts.start("the log", broken))


def test_part_without_a_thread_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("handlers.azure.facts.parts.Thread.start", refused)
    parts = Parts(Deadline.after(30))
    assert parts.take(parts.start("the log", lambda: 7), 0) == 0
    assert parts.missing == ["the log: can't start new thread"]
