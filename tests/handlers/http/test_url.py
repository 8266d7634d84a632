"""`Url`: what the rule writes, what an event may fill in, and what is refused."""

import re
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError
from pydantic import BaseModel, ConfigDict, ValidationError
from urllib3.util import parse_url

from handlers.base import GiveUp
from handlers.http.url import MAX_LENGTH, Url
from schemas import RunStatusChanged


def event(**tags: str) -> RunStatusChanged:
    return RunStatusChanged.example(run_id="brave kiwi", run_tags=tags)


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("https://example.com", "https://example.com/"),
        ("https://Example.COM:8443/A/b?c=D", "https://example.com:8443/A/b?c=D"),
        ("https://example.com?run={{ data.runId }}", "https://example.com/?run=brave%20kiwi"),
        ("https://example.com/{{ data.runId }}/x", "https://example.com/brave%20kiwi/x"),
        ("https://example.com/a/?q={{ data.runTags.q | default('') }}", "https://example.com/a/?q="),
        ("https://192.0.2.7/", "https://192.0.2.7/"),
        ("https://[2001:DB8::1]:8443/", "https://[2001:db8::1]:8443/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("  https://example.com/a\n", "https://example.com/a"),
    ],
)
def test_urls_are_rendered(source: str, url: str) -> None:
    assert Url(source).render(event()) == url


HOSTILE = "a/b?c=d&e#f\\g%2F@h:\r\n\0é"


def test_a_value_stays_one_segment_or_one_parameter() -> None:
    found = Url("https://example.com/{{ data.runTags.v }}/x?y={{ data.runTags.v }}&z=1").render(event(v=HOSTILE))
    path, _, query = found.partition("?")
    encoded = "a%2Fb%3Fc%3Dd%26e%23f%5Cg%252F%40h%3A%0D%0A%00%C3%A9"
    assert path == f"https://example.com/{encoded}/x"
    assert query == f"y={encoded}&z=1"


@pytest.mark.parametrize("value", [".", "..", "../admin", "a/../b", "..\\admin", "a/./b", "%2e%2e/x/.."])
def test_a_value_that_is_a_dot_segment_in_any_encoding_is_refused(value: str) -> None:
    with pytest.raises(GiveUp, match=r"a segment of its path is '\.' or '\.\.'"):
        Url("https://example.com/a/{{ data.runTags.v }}").render(event(v=value))


def test_a_value_in_the_query_may_be_dots() -> None:
    assert Url("https://example.com/?v={{ data.runTags.v }}").render(event(v="..")).endswith("?v=..")


def test_dots_of_two_values_together_are_refused() -> None:
    with pytest.raises(GiveUp, match="a segment"):
        Url("https://example.com/{{ data.runTags.v }}.").render(event(v="."))


def test_an_empty_value_in_the_path_is_refused() -> None:
    """It would address the collection in place of the item."""
    with pytest.raises(GiveUp, match="a value in its path is empty"):
        Url("https://example.com/items/{{ data.runTags.v }}/x").render(event(v=""))


def test_a_missing_value_is_an_error_of_the_template() -> None:
    with pytest.raises(TemplateError, match="has no 'v' here"):
        Url("https://example.com/{{ data.runTags.v }}").render(event())


def test_a_url_that_becomes_too_long_is_refused() -> None:
    with pytest.raises(GiveUp, match="at most 8,000"):
        Url("https://example.com/{{ data.runTags.v }}").render(event(v="x" * MAX_LENGTH))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "should be a URL"),
        ("example.com/a", "should be a URL"),
        ("//example.com/a", "should be a URL"),
        ("{{ data.url }}", "the host is the rule's"),
        ("{{ data.scheme }}://example.com", "the host is the rule's"),
        ("https:example.com", "should be a URL"),
        ("https:///a", "should have a host"),
        ("https://:443/", "should have a host"),
        ("ftp://example.com/", "should begin with https"),
        ("HTTPS://example.com/", "should begin with https"),
        ("file:///etc/passwd", "should begin with https"),
        ("https://{{ data.host }}/", "the host is the rule's"),
        ("https://example.com{{ data.runId }}/", "the host is the rule's"),
        ("https://example.com:{{ data.port }}/", "the host is the rule's"),
        ("https://example.com{# a #}/", "should be a URL"),
        ("https://user:pass@example.com/", "no user name and password"),
        ("https://example.com@evil.example/", "no user name and password"),
        ("https://example.com:https/", "a port that is a number"),
        ("https://example.com:0/", "a port is a number"),
        ("https://example.com:65536/", "a port is a number"),
        ("https://exa mple.com/", "a name in ASCII"),
        ("https://ex\tample.com/", "a name in ASCII"),
        ("https://example.com\\@evil.example/", "should be a URL"),
        ("https://bücher.example/", "a name in ASCII"),
        ("https://exаmple.com/", "a name in ASCII"),
        ("https://169。254。169。254/", "a name in ASCII"),
        ("https://①②⑦.⓪.⓪.①/", "a name in ASCII"),
        ("https://example.com./", "leave out the dot at its end"),
        ("https://-a.example/", "a name in ASCII"),
        ("https://%31%32%37.0.0.1/", "not an IPv4 address"),
        ("https://%65xample.com/", "a name in ASCII"),
        (f"https://{'a' * 64}.example/", "a name in ASCII"),
        (f"https://{'a.' * 130}example/", "a name in ASCII"),
        ("https://2130706433/", "not an IPv4 address"),
        ("https://0x7f000001/", "not an IPv4 address"),
        ("https://0x7f.1/", "not an IPv4 address"),
        ("https://017700000001/", "not an IPv4 address"),
        ("https://0177.0.0.1/", "not an IPv4 address"),
        ("https://127.1/", "not an IPv4 address"),
        ("https://127.0.0.1.1/", "not an IPv4 address"),
        ("https://[::1/", "a port that is a number"),
        ("https://[fe80::1%25eth0]/", "no zone"),
        ("https://[fe80::1%eth0]/", "no zone"),
        ("https://[v1.x]/", "not an IPv6 address"),
        ("https://example.com/a b", "cannot have ' '"),
        ("https://example.com/a#b", "a fragment is never sent"),
        ("https://example.com/{ data.runId }", "write {{ … }} for a template"),
        ("https://example.com/ü", "percent-encoded"),
        ("https://example.com/a\\..\\b", "cannot have"),
        ("https://example.com/%zz", "cannot have '%'"),
        ("https://example.com/a/../b", "'.' or '..'"),
        ("https://example.com/a/%2e%2E/b", "'.' or '..'"),
        ("https://example.com/a%2f..%2fb", "'.' or '..'"),
        ("https://example.com/{% if data %}a{% endif %}", "no {% … %}"),
        ("https://example.com/{{ data.runId", "bad template"),
    ],
)
def test_a_url_that_is_not_plain_is_refused_as_rules_load(source: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("{", r"\{").replace("(", r"\(")):
        Url(source)


PLACES = Url("https://example.com:8443/a/{{ v }}/b?q={{ v }}&r=1")
EVENT = RunStatusChanged.example().for_handler(None, None)


@given(value=st.text(max_size=30) | st.text("./%2eE5c\\\\?#&@:", max_size=12))
def test_no_value_changes_where_a_request_goes(value: str) -> None:
    """As requests and urllib3 send it, after their own normalization."""
    try:
        url = PLACES.render(EVENT, v=value)
    except GiveUp:
        assert value == "" or {".", ".."} & set(re.split(r"[/\\\\]", value))
        return
    prepared = requests.Request("GET", url).prepare().url
    parsed = urlsplit(parse_url(prepared or "").url)
    assert (parsed.scheme, parsed.netloc, parsed.fragment) == ("https", "example.com:8443", "")
    assert [unquote(segment) for segment in parsed.path.split("/")] == ["", "a", value, "b"]
    assert parse_qsl(parsed.query, keep_blank_values=True) == [("q", value), ("r", "1")]


class Settings(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    url: Url


def test_nothing_shows_a_url_beyond_its_origin() -> None:
    """Its path or query may be a secret."""
    settings = Settings(url=Url("https://example.com/T0/SECRET?sig=SECRET"))
    for shown in (repr(settings), str(settings.url), settings.model_dump_json(), repr(Url("https://a.example/S"))):
        assert "SECRET" not in shown
    assert "https://example.com/" in repr(settings)
    with pytest.raises(ValidationError) as error:
        Settings.model_validate({"url": "https://example.com/SECRET SECRET"})
    assert "SECRET" not in str(error.value)


def test_urls_are_equal_by_their_source() -> None:
    one = Settings.model_validate({"url": "https://example.com/{{ data.runId }}"}).url
    assert one == Url("https://example.com/{{ data.runId }}") != Url("https://example.com/b")
    assert len({one, Url(one.source)}) == 1
    assert [template.source for template in one.templates] == [one.source]
    assert Url("https://example.com/b").templates == ()
    assert Url("https://example.com/b").is_constant


def test_the_schema_of_a_url_is_that_of_a_text() -> None:
    assert Settings.model_json_schema()["properties"]["url"]["type"] == "string"
