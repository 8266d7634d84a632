"""The end of a run's log: which file, which bytes, and which servers."""

from typing import Any

import pytest

from handlers.azure.facts.logs import LINE_LIMIT, log_file, log_tail
from handlers.azure.facts.parts import Deadline, NotRead
from handlers.azure.facts.reader import Reader
from tests.handlers.azure.facts.answers import LOG_URL, Answer, Service


def tail(*answers: Answer, url: str = LOG_URL, endpoint: str = "https://management.azure.com") -> str | None:
    """The end of a log whose server gives these answers, one after the other."""
    given = iter(answers)
    service = Service({"/std_log.txt": lambda _: next(given)}, endpoint=endpoint)
    return log_tail(Reader(service.azureml, Deadline.after(30)), url)


@pytest.mark.parametrize(
    ("files", "best"),
    [
        (["system_logs/lifecycler/execution-wrapper.log", "user_logs/std_log.txt"], "user_logs/std_log.txt"),
        (["user_logs/std_log_process_1.txt", "user_logs/std_log_process_0.txt"], "user_logs/std_log_process_0.txt"),
        (["user_logs/std_log_rank_3.txt", "user_logs/std_log_rank_0.txt"], "user_logs/std_log_rank_0.txt"),
        (["azureml-logs/55_azureml-execution.txt", "azureml-logs/70_driver_log.txt"], "azureml-logs/70_driver_log.txt"),
        (["logs/azureml/stdoutlogs.txt", "logs/azureml/stderrlogs.txt"], "logs/azureml/stderrlogs.txt"),
        (["azureml-logs/hyperdrive.txt"], "azureml-logs/hyperdrive.txt"),
    ],
)
def test_own_output_of_the_first_process_is_the_best_log(files: list[str], best: str) -> None:
    assert log_file({"logFiles": {file: f"https://x/{file}" for file in files}}) == (best, f"https://x/{best}")


@pytest.mark.parametrize("details", [{}, {"logFiles": None}, {"logFiles": []}, {"logFiles": {"user_logs/a.txt": 7}}])
def test_details_without_logs_have_none(details: Any) -> None:
    assert log_file(details) is None


def test_last_twenty_lines_are_kept_without_blank_ones_at_the_end() -> None:
    lines = "\n".join(f"line {n}" for n in range(30))
    assert tail(Answer(f"{lines}\n\n \n".encode())) == "\n".join(f"line {n}" for n in range(10, 30))


def test_progress_bars_and_colors_are_as_a_terminal_shows_them() -> None:
    assert tail(Answer(b"10%\r20%\r100%\r\n\x1b[31mfailed\x1b[0m\x00\n")) == "100%\nfailed"


def test_long_line_is_cut() -> None:
    assert tail(Answer(b"x" * 5_000)) == "x" * LINE_LIMIT


def test_first_line_of_a_range_is_dropped_because_it_may_be_cut() -> None:
    first = Answer(b"begin", 206, {"Content-Range": "bytes 0-65535/100000"})
    assert tail(first, Answer(b"half a line\nwhole line\n", 206)) == "whole line"


def test_server_that_ignores_ranges_is_read_to_the_end() -> None:
    text = "".join(f"line {n}\n" for n in range(50_000)).encode()
    assert str(tail(Answer(text))).endswith("\nline 49999")


@pytest.mark.parametrize("header", ["bytes 0-14/*", "bytes", "", "bytes 0-14/" + "9" * 400])
def test_length_that_is_not_known_is_that_of_the_content(header: str) -> None:
    assert tail(Answer(b"one\ntwo\n", 206, {"Content-Range": header})) == "one\ntwo"


@pytest.mark.parametrize("answer", [Answer(b"", 416), Answer(b""), Answer(b"\n \n")])
def test_empty_log_is_none(answer: Answer) -> None:
    assert tail(answer) is None


def test_no_token_is_sent_with_a_signature() -> None:
    service = Service({"/std_log.txt": Answer(b"log")})
    log_tail(Reader(service.azureml, Deadline.after(30)), LOG_URL)
    assert "Authorization" not in service.transport.requests[0].headers


def test_reason_names_the_host_and_no_signature() -> None:
    with pytest.raises(NotRead) as caught:
        tail(Answer(b"<?xml?>", 403, {"x-ms-error-code": "AuthorizationFailure"}))
    assert str(caught.value) == "HTTP 403 from churnstore.blob.core.windows.net: AuthorizationFailure"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/std_log.txt",
        "https://churnstore.blob.core.windows.net.evil.example/std_log.txt",
        "https://blob.core.windows.net@evil.example/std_log.txt",
        "http://churnstore.blob.core.windows.net/std_log.txt",
        "https://[::1/std_log.txt",
        "file:///std_log.txt",
        "",
    ],
)
def test_only_storage_is_asked_for_logs(url: str) -> None:
    with pytest.raises(NotRead, match=r"^its URL is not one of Azure Storage$"):
        tail(url=url)


def test_any_server_can_be_the_storage_of_a_cloud_that_is_not_known() -> None:
    url = "https://store.blob.azurestack.example/std_log.txt"
    assert tail(Answer(b"log"), url=url, endpoint="https://management.azurestack.example") == "log"
    with pytest.raises(NotRead, match=r"^its URL is not one of Azure Storage$"):
        tail(url=url.replace("https", "http"), endpoint="https://management.azurestack.example")
