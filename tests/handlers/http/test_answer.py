"""What an answer means, and what of it the record keeps."""

from datetime import timedelta
from typing import Any

import pytest

from handlers.base import DETAIL_LIMIT, GiveUp, RetryLater, Succeeded
from handlers.errors import PROPAGATION, classify
from handlers.http.answer import EXCERPT, Answer, ErrorAnswer, Meaning, checked


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer("hooks.example.com", status, {k.replace("_", "-"): v for k, v in headers.items()}, body)


def outcome(found: Answer, *meanings: Meaning) -> Any:
    try:
        return checked(found, meanings)
    except Exception as error:
        return classify(error)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_success(status: int) -> None:
    assert checked(answer(status)).is_success


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_answers_that_say_later_are_tried_again_after_retry_after(status: int) -> None:
    found = outcome(answer(status, b"busy", retry_after="7"))
    assert isinstance(found, RetryLater)
    assert (found.after, found.max_elapsed) == (timedelta(seconds=7), None)
    assert found.throttled is (status in (429, 503))
    assert str(found) == f"HTTP {status}: hooks.example.com answered 'busy'"


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_redirects_are_an_error(status: int) -> None:
    found = outcome(answer(status, location="http://169.254.169.254/"))
    assert isinstance(found, GiveUp)
    assert str(found).startswith(f"HTTP {status}: hooks.example.com answered nothing; redirects are not followed")


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://me:secret@new.example.com:8443/secret?secret", ", and this one leads to https://new.example.com:"),
        ("/sign-in", "followed: write the final URL"),
        ("https://[secret", "followed: write the final URL"),
    ],
)
def test_an_error_says_to_which_host_a_redirect_leads(location: str, said: str) -> None:
    found = str(outcome(answer(302, location=location)))
    assert said in found
    assert "secret" not in found


@pytest.mark.parametrize("status", [400, 405, 406, 410, 411, 413, 414, 415, 422, 431])
def test_permanent_errors_end_the_action(status: int) -> None:
    assert isinstance(outcome(answer(status)), GiveUp)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_a_new_role_can_cause_is_tried_for_half_an_hour(status: int) -> None:
    found = outcome(answer(status))
    assert isinstance(found, RetryLater)
    assert found.max_elapsed == PROPAGATION


SLACK = Meaning(404, GiveUp, "create another webhook", text="No_Service", source="api.slack.com")
LIMIT = Meaning(403, RetryLater, throttled=True, header="x-ratelimit-remaining: 0", source="docs.github.com")
THERE = Meaning(409, Succeeded, source="example.com")


def test_the_first_meaning_that_applies_decides() -> None:
    found = outcome(answer(404, b"no_service"), THERE, SLACK)
    assert isinstance(found, GiveUp)
    assert str(found) == "HTTP 404: hooks.example.com answered 'no_service'; create another webhook"
    assert isinstance(outcome(answer(404, b"else"), SLACK), RetryLater)
    assert outcome(answer(409), THERE).status == 409
    limited = outcome(answer(403, x_ratelimit_remaining="0", retry_after="60"), LIMIT)
    assert (limited.throttled, limited.after) == (True, timedelta(minutes=1))
    assert not outcome(answer(403, x_ratelimit_remaining="10"), LIMIT).throttled
    assert not outcome(answer(403), LIMIT).throttled


def test_a_meaning_can_make_an_error_of_a_success() -> None:
    refused = Meaning(200, GiveUp, text='"ok":false', source="api.slack.com")
    assert isinstance(outcome(answer(200, b'{"ok":false}'), refused), GiveUp)
    by_header = Meaning(200, RetryLater, header="x-late", max_elapsed=timedelta(1), source="example.com")
    assert outcome(answer(200, x_late="any"), by_header).max_elapsed == timedelta(1)


def test_the_record_keeps_a_kilobyte_in_printable_characters() -> None:
    found = answer(200, b" \x1b[2K\n\xff" + b"y" * 2_000).details
    assert found["status"] == "200"
    assert found["body"].startswith("\\x1b[2K\\n\ufffdyy")
    assert EXCERPT <= DETAIL_LIMIT
    kept = Succeeded("done", answer(200, b"z" * 2_000).details).details["body"]
    assert kept == "z" * 1_023 + "…"
    assert answer(200, b"z" * 1_024).excerpt == "z" * 1_024


def test_texts_that_are_cut_end_in_an_ellipsis() -> None:
    """Without it, a secret of which the end is cut off could not be found and masked (dispatch/secrets.py)."""
    assert answer(200, b"z" * 1_023 + "é".encode()).excerpt == "z" * 1_023 + "…"
    assert str(outcome(answer(400, b"z" * 301))).endswith("zz…'")


def test_leaves_of_json_are_details_of_their_own() -> None:
    body = b'{"id": 7, "url": "https://x", "ok": true, "none": null, "a": {"b": {"c": "d\\n"}}, "l": [{"x": 1}]}'
    assert answer(201, body).details == {
        "status": "201",
        "body": body.decode().replace("\n", ""),
        "body.id": "7",
        "body.url": "https://x",
        "body.ok": "true",
        "body.none": "null",
        "body.a.b.c": "d\\n",
        "body.l.0.x": "1",
    }


@pytest.mark.parametrize("body", [b"", b"text", b"[[[" * 50_000, b'"text"', b"7", b"\xff"])
def test_what_has_no_leaves_is_kept_as_text(body: bytes) -> None:
    assert set(answer(200, body).details) == {"status", "body"}


def test_leaves_are_limited_and_the_outer_ones_come_first() -> None:
    body = b'{"deep": {' + b",".join(b'"k%d": 1' % n for n in range(100)) + b'}, "id": 7}'
    details = answer(200, body).details
    assert details["body.id"] == "7"
    assert len(details) == 2 + 30


def test_json_of_a_gateway_is_tried_again() -> None:
    assert answer(200, b'{"a": 1}').json() == {"a": 1}
    for body in (b"<html>", b"[" * 100_000, b""):
        with pytest.raises(RetryLater, match="answered 200 without valid JSON"):
            answer(200, body).json()


def test_an_error_answer_has_status_and_headers_for_the_one_table() -> None:
    with pytest.raises(ErrorAnswer) as error:
        checked(answer(418, b"teapot"))
    assert (error.value.status_code, error.value.response.text) == (418, "teapot")
