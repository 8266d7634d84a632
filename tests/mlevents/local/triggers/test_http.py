"""The URLs of `func start`, over HTTP, with functions in a real worker process behind them."""

import gzip
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import requests

from tests.mlevents.local.triggers.conftest import EVENT, Served, event


def test_an_array_of_one_event_is_accepted_and_reaches_the_function(served: Served) -> None:
    """Event Grid's usual delivery."""
    sent = event()
    assert served.post("single", [sent]).status_code == 202
    assert served.events()[-1] == sent


def test_one_event_that_is_not_in_an_array_is_accepted(served: Served) -> None:
    sent = event()
    assert served.post("single", sent).status_code == 202
    assert served.ids()[-1] == sent["id"]


def test_a_cloudevent_is_passed_on_completely(served: Served) -> None:
    """A structured CloudEvent comes as one object; its content type is ignored."""
    sent = {"specversion": "1.0", "id": uuid4().hex, "source": "/t", "type": "T", "traceparent": "00-x", "data": {}}
    assert served.post("single", sent).status_code == 202
    assert served.events()[-1] == sent


def test_microsoft_s_library_decodes_events(served: Served) -> None:
    """azure.functions decodes the function's parameter."""
    sent = event() | {"data": {"a": [1, "ä"]}}
    assert served.post("decoded", [sent]).status_code == 202
    assert served.notes("decoded")[-1] == {
        "function": "decoded",
        "id": sent["id"],
        "subject": "s",
        "data": sent["data"],
    }


def test_the_event_arrives_without_white_space(served: Served) -> None:
    """The host serializes the event again."""
    served.post("single", json.dumps([event()], indent=4).encode())
    assert "\n" not in served.notes("single")[-1]["event"]
    assert ": " not in served.notes("single")[-1]["event"]


def test_the_events_of_a_delivery_run_concurrently(served: Served) -> None:
    """Each waits for the other, and would time out if one ran after the other."""
    assert served.post("single", [event("meet"), event("meet")]).status_code == 202


def test_one_failing_event_fails_the_delivery_and_the_others_still_run(served: Served) -> None:
    """Event Grid delivers all of them again."""
    good, bad = event(), event("fail no such thing")
    answer = served.post("single", [bad, good])
    assert (answer.status_code, answer.text) == (500, "Exception while executing function: Functions.single")
    assert {good["id"], bad["id"]} <= set(served.ids())
    assert any("single failed: ValueError: no such thing" in line for line in served.local.lines)
    assert any("function_app.py" in line for line in served.local.lines)  # the stack trace


def test_a_function_that_returns_a_value_fails(served: Served) -> None:
    assert served.post("answers", [event()]).status_code == 500


def test_an_empty_delivery_is_accepted(served: Served) -> None:
    assert served.post("single", []).status_code == 202


def test_a_function_for_many_events_gets_them_in_one_call(served: Served) -> None:
    sent = [event(), event()]
    assert served.post("many", sent).status_code == 202
    assert json.loads(served.notes("many")[-1]["events"]) == sent


def test_a_large_delivery_is_accepted(served: Served) -> None:
    sent = event() | {"data": {"blob": "x" * 5_000_000}}
    assert served.post("single", [sent]).status_code == 202
    assert len(served.events()[-1]["data"]["blob"]) == 5_000_000


def test_a_byte_order_mark_is_ignored(served: Served) -> None:
    assert served.post("single", b"\xef\xbb\xbf" + json.dumps([event()]).encode()).status_code == 202


@pytest.mark.parametrize("body", [b"", b"{", b"[{]", b"'x'", b"\xff", b"7", b"null", b'"text"', b"[" * 100_000])
def test_an_unreadable_body_is_answered_500(served: Served, body: bytes) -> None:
    """As by the real host, so that Event Grid tries again."""
    answer = served.post("single", body)
    assert answer.status_code == 500
    assert "cannot be read" in answer.text


@pytest.mark.parametrize("item", [1, "x", None, [EVENT]])
def test_an_event_that_is_not_an_object_fails_the_delivery(served: Served, item: Any) -> None:
    assert served.post("single", [item]).status_code == 500


def test_the_validation_handshake_returns_the_code_of_an_array(served: Served) -> None:
    body = [{"id": "1", "data": {"validationCode": "abc", "validationUrl": "https://x"}}]
    answer = served.post("single", body, "SubscriptionValidation")
    assert (answer.status_code, answer.json()) == (200, {"validationResponse": "abc"})


def test_the_validation_handshake_returns_the_code_of_an_object(served: Served) -> None:
    body = {"id": "1", "data": json.dumps({"validationCode": "abc"})}
    answer = served.post("single", body, "subscriptionvalidation")
    assert (answer.status_code, answer.json()) == (200, {"validationResponse": "abc"})


def test_a_validation_without_a_code_is_answered_500(served: Served) -> None:
    assert served.post("single", [{"data": {}}], "SubscriptionValidation").status_code == 500
    assert served.post("single", [], "SubscriptionValidation").status_code == 500


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("eventgrid.azure.net", "eventgrid.azure.net"),
        ("eventgrid.azure.us", "eventgrid.azure.us"),
        ("evil.example.com", "eventgrid.azure.net"),
        ("", "eventgrid.azure.net"),
    ],
)
def test_the_cloudevents_handshake_allows_event_grid(served: Served, origin: str, allowed: str) -> None:
    answer = requests.options(served.local.url_of("single"), headers={"WebHook-Request-Origin": origin}, timeout=30)
    assert (answer.status_code, answer.headers["Webhook-Allowed-Origin"]) == (200, allowed)


def test_unsubscribing_is_accepted(served: Served) -> None:
    assert served.post("single", b"whatever", "Unsubscribe").status_code == 202


@pytest.mark.parametrize("kind", ["", "Something"])
def test_a_request_without_a_known_event_type_header_is_answered_400(served: Served, kind: str) -> None:
    """Event Grid does not repeat it, so the console reports it."""
    before = len(served.notes("single"))
    assert served.post("single", [event()], kind).status_code == 400
    assert len(served.notes("single")) == before
    assert any("aeg-event-type" in line for line in served.local.lines)


@pytest.mark.parametrize("name", ["nothing", "Single", "", "work", "asynchronous"])
def test_only_enabled_event_grid_functions_are_found_by_their_exact_names(served: Served, name: str) -> None:
    """Not found: an unknown name, another case, another kind, a disabled function."""
    answer = served.post(name, [event()])
    assert (answer.status_code, answer.text) == (404, f"cannot find function: '{name}'")


def test_the_case_of_the_extension_and_the_parameter_is_ignored(served: Served) -> None:
    url = f"{served.local.url}/runtime/webhooks/EventGrid?functionname=single"
    answer = requests.post(url, json=[event()], headers={"Aeg-Event-Type": "NOTIFICATION"}, timeout=30)
    assert answer.status_code == 202
    other = requests.post(f"{served.local.url}/runtime/webhooks/blobs?functionName=single", json=[], timeout=30)
    assert other.status_code == 404


def call(served: Served, name: str, body: Any) -> requests.Response:
    headers = {"Content-Type": "application/json"}
    return requests.post(f"{served.local.url}/admin/functions/{name}", json.dumps(body), headers=headers, timeout=30)


def test_an_event_grid_function_can_be_called_directly(served: Served) -> None:
    sent = event()
    assert call(served, "SINGLE", {"input": json.dumps(sent)}).status_code == 202
    served.local.wait(lambda: sent["id"] in served.ids())


def test_a_disabled_function_can_be_called_directly(served: Served) -> None:
    sent = event()
    assert call(served, "asynchronous", {"input": json.dumps(sent)}).status_code == 202
    served.local.wait(lambda: sent["id"] in served.ids("asynchronous"))


def test_a_queue_function_can_be_called_directly(served: Served) -> None:
    text = uuid4().hex
    assert call(served, "work", {"input": text}).status_code == 202
    note = served.local.wait(lambda: [n for n in served.notes("work") if n["body"] == text])[0]
    assert note["count"] == 1


def test_a_timer_function_can_be_called_directly(served: Served) -> None:
    before = len(served.notes("tick"))
    assert call(served, "tick", {"input": ""}).status_code == 202
    served.local.wait(lambda: len(served.notes("tick")) > before)


def test_a_failure_of_a_direct_call_is_printed_only(served: Served) -> None:
    assert call(served, "single", {"input": json.dumps(event("fail directly"))}).status_code == 202
    served.local.wait(lambda: any("ValueError: directly" in line for line in served.local.lines))


@pytest.mark.parametrize(("text", "reason"), [("{", "Expecting property name"), ("[]", "not list")])
def test_an_invalid_event_in_a_direct_call_is_printed_only(served: Served, text: str, reason: str) -> None:
    assert call(served, "single", {"input": text}).status_code == 202
    served.local.wait(lambda: any("single was not called" in line and reason in line for line in served.local.lines))


@pytest.mark.parametrize("body", [[], 1, None, {"input": {"id": 1}}])
def test_a_direct_call_without_a_text_as_input_is_answered_400(served: Served, body: Any) -> None:
    assert call(served, "single", body).status_code == 400
    assert call(served, "nothing", body).status_code == 404


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_direct_call_that_does_not_declare_json_is_answered_415(served: Served, content_type: str) -> None:
    """A page of another site can send these types without a preflight."""
    sent = event()
    body = json.dumps({"input": json.dumps(sent)}).encode()
    headers = {"Content-Type": content_type} if content_type else {}
    answer = requests.post(f"{served.local.url}/admin/functions/single", body, headers=headers, timeout=30)
    assert (answer.status_code, answer.text) == (415, "send the header Content-Type: application/json\n")
    accepted = call(served, "single", {"input": json.dumps(last := event())})
    assert accepted.status_code == 202
    served.local.wait(lambda: last["id"] in served.ids())
    assert sent["id"] not in served.ids()


def test_the_functions_are_listed(served: Served) -> None:
    listed = requests.get(f"{served.local.url}/admin/functions", timeout=30).json()
    about = {function["name"]: function for function in listed}
    assert about["work"]["config"]["bindings"][0]["type"] == "queueTrigger"
    assert about["asynchronous"]["isDisabled"]
    assert not about["single"]["isDisabled"]
    one = requests.get(f"{served.local.url}/admin/functions/Single", timeout=30)
    assert one.json() == about["single"]
    assert requests.get(f"{served.local.url}/admin/functions/nothing", timeout=30).status_code == 404


def test_the_host_s_status_can_be_read(served: Served) -> None:
    status = requests.get(f"{served.local.url}/admin/host/status", timeout=30).json()
    assert (status["state"], status["errors"]) == ("Running", [])
    assert status["processUptime"] > 0


def test_the_home_page_lists_the_functions(served: Served) -> None:
    assert "single" in requests.get(served.local.url, timeout=30).text


def test_functions_that_are_not_served_are_reported(run: Any, tmp_path: Path) -> None:
    """The others run."""
    local = run("unserved")
    printed = "\n".join(local.lines)
    assert "copied is not triggered: blobTrigger functions are not served" in printed
    assert "missing_setting is not triggered: the app setting NOWHERE, which '%NOWHERE%' names, is not set" in printed
    assert "invalid_name is not triggered: 'not_a_queue' is not a queue's name" in printed
    assert "invalid_schedule is not triggered: 'every now and then' is not a schedule" in printed
    assert "output_binding: the binding copy (queue) is not served" in printed
    url = f"{local.url}/admin/functions/copied"
    assert requests.post(url, json={"input": ""}, timeout=30).status_code == 202
    local.wait(lambda: any("copied was not called" in line for line in local.lines))


class TestBrokenRequests:
    """Requests that aiohttp itself cannot read."""

    def sent(self, served: Served, *lines: str, body: bytes = b"") -> list[str]:
        """Send these lines as they are, and return what the host printed about them."""
        before, address = len(served.local.lines), urlsplit(served.local.url)
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode() + body)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(10_000):
                pass
        served.local.wait(lambda: len(served.local.lines) > before)
        return served.local.lines[before:]

    def test_a_broken_body_is_one_line_in_the_console(self, served: Served) -> None:
        target = served.local.url_of("single").removeprefix(served.local.url)
        headers = "Host: localhost", "aeg-event-type: Notification", "Transfer-Encoding: chunked"
        [line] = self.sent(served, f"POST {target} HTTP/1.1", *headers, body=b"zz\r\nabc\r\n0\r\n\r\n")
        assert line[10:] == (
            "problem    Error handling request from 127.0.0.1: "
            "BadHttpMessage: 400, message: Invalid character in chunk size: b'zz' ^"
        )

    def test_a_compressed_body_is_not_read(self, served: Served) -> None:
        """As by the real host; Event Grid compresses none."""
        url, headers = served.local.url_of("single"), {"aeg-event-type": "Notification", "Content-Encoding": "gzip"}
        response = requests.post(url, gzip.compress(json.dumps([event()]).encode()), headers=headers, timeout=30)
        assert response.status_code == 500
        assert "the host does not decompress requests" in response.text
