"""docs/operating.md: its queries read the log's lines, its commands and its workbook fit them, and its code runs."""

import json
import logging
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from dispatch.receive import receive
from dispatch.settings import CONNECTION
from schemas import RunStatusChanged
from tests.dispatch.test_log_page import documented
from tests.kit.otlp import otlp_receiver, tree
from tests.kit.world import World, rule, rules
from tests.test_docs import blocks

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
QUERIES = blocks("kusto", PAGE)
ALERTS = dict(re.findall(r'--condition-query (\w+)="(.*?)"$', PAGE, re.DOTALL | re.MULTILINE))
# Of azure-cli 2.91 and its extensions scheduled-query and application-insights: what the page uses.
OPTIONS = {
    "monitor action-group create": {"-g", "-n", "--query", "-o", "--action"},
    "monitor app-insights component show": {"-g", "-a", "--query", "-o"},
    "monitor scheduled-query create": {
        *("-g", "-n", "--scopes", "--action-groups", "--description", "--severity"),
        *("--window-size", "--evaluation-frequency", "--condition", "--condition-query"),
    },
}
EVENT = RunStatusChanged.example(run_id="status=failed event=x")  # a name that looks like keys


def commands() -> list[list[str]]:
    """The words of each `az` command of the page."""
    lines = "\n".join(blocks("sh", PAGE)).replace("\\\n", " ")
    found = re.findall(r"az monitor .*?(?=\naz |\n\n|\)\n|\Z)", lines, re.DOTALL)
    return [shlex.split(text) for text in found]


def patterns(query: str) -> dict[str, str]:
    """The regular expressions of `extract` in a query, by the name of the column."""
    found = re.findall(r'(\w+) = (?:\w+\()?extract\(@"((?:""|[^"])*)", 1, message\)', query)
    return {name: pattern.replace('""', '"') for name, pattern in found}


def test_there_are_ten_questions() -> None:
    assert len(QUERIES) == 10
    assert re.findall(r"^\*\*(\d+)\. ", PAGE, re.MULTILINE) == [str(n) for n in range(1, 11)]


@pytest.mark.parametrize("query", [*QUERIES, *ALERTS.values()])
def test_queries_read_events_and_keys_that_the_app_logs(query: str) -> None:
    """docs/log.md lists them; `ms`, `due` and others are found by `key=`."""
    names = re.findall(r"""startswith ["']([a-z_]+\.[a-z_]+) ["']""", query)
    names += re.findall(r'== "([a-z_]+\.[a-z_]+)"', query)
    known = {name: keys for name, (keys, _) in documented().items()}
    assert set(names) <= known.keys()
    keys = set().union(*(known[name] for name in names))
    if names:
        assert set(re.findall(r"(?:\\b| )([a-z_]+)=\S", query)) - {"kind"} <= keys


def test_regular_expressions_of_the_queries_find_their_keys_in_real_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also if texts in a line look like keys."""
    world = World(rules(rule("ring", "retry no status=x attempt=7 due=y", "succeed")), tmp_path)
    with caplog.at_level(logging.INFO, "mlevents"):
        world.receive(EVENT)
        receive("{}", world.app)
        world.run()
    lines = [record.getMessage() for record in caplog.records]
    [settled, _] = [line for line in lines if line.startswith("action.settled ")]
    [rejected] = [line for line in lines if line.startswith("event.rejected ")]
    [received] = [line for line in lines if line.startswith("event.received ")]
    found = {name: re.search(pattern, settled) for query in QUERIES for name, pattern in patterns(query).items()}
    due = f"{world.calls[0].action.started:%Y-%m-%dT%H:}"
    expected = {"rule": "ring", "event": EVENT.id, "status": "waiting", "attempt": "1"}
    assert {name: match[1] for name in expected if (match := found[name])} == expected
    assert found["note"]
    assert found["note"][1] == '"no status=x attempt=7 due=y"'
    assert found["due"]
    assert found["due"][1].startswith(due)
    assert (reason := re.search(patterns(QUERIES[4])["reason"], rejected))
    assert reason[1].startswith('"')
    assert reason[1].endswith('"')
    assert (start := re.search(r"\bid=(\S+)", received))
    assert start[1] == EVENT.id


def test_alert_rules_have_the_options_of_az_and_count_their_own_query() -> None:
    found = commands()
    assert len(found) == 8
    for words in found:
        verb = " ".join(words[1 : next(n for n, word in enumerate(words) if word.startswith("-"))])
        assert {word for word in words if re.match(r"--?[a-z]", word)} <= OPTIONS[verb]
        if "--condition" in words:
            [counted] = re.findall(r"^count '(\w+)' [<>] \d+$", words[words.index("--condition") + 1])
            assert words[words.index("--condition-query") + 1].startswith(f"{counted}=traces | where ")
    assert len(ALERTS) == 6


def test_the_workbook_has_queries_of_the_page() -> None:
    workbook = json.loads((ROOT / "docs" / "workbook.json").read_text(encoding="utf-8"))
    items = [item["content"] for item in workbook["items"] if item["type"] == 3]
    assert [item["query"] for item in items] == [QUERIES[n - 1] for n in (1, 3, 4, 5, 7, 9)]
    [parameters] = [item["content"]["parameters"] for item in workbook["items"] if item["type"] == 9]
    assert {item["timeContextFromParameter"] for item in items} == {parameter["name"] for parameter in parameters}
    titles = re.findall(r"^\*\*\d+\. (.*?)\*\*", PAGE, re.DOTALL | re.MULTILINE)
    assert {item["title"] for item in items} <= {title.replace("\n", " ") for title in titles}


def test_the_picture_shows_the_spans_of_an_event(tmp_path: Path) -> None:
    world = World(rules(rule("ring", "retry", "retry", "succeed"), rule("report", after="{ rules: ring }")), tmp_path)
    with otlp_receiver() as receiver:
        with receiver.telemetry() as world.telemetry:
            world.receive(RunStatusChanged.example())
            world.run()
        picture, _ = blocks("text", PAGE)
        assert tree(receiver.spans) == picture.splitlines()


APP = """
import base64, os, sys
{code}
import function_app
from azure.storage.queue import QueueClient

function_app.receive(sys.argv[1], function_app.the_app())
queue = QueueClient.from_connection_string(os.environ["AzureWebJobsStorage"], function_app.names.actions)
for message in queue.receive_messages():
    function_app.act_on(base64.b64decode(message.content).decode(), function_app.the_app())
"""


@pytest.mark.services
def test_the_code_of_the_page_sends_spans_and_metrics(azurite_connection: str, tmp_path: Path) -> None:
    """In a process of its own, as at the top of function_app.py: an event, its action, and the end of the process."""
    (tmp_path / "workspaces.yaml").write_text('workspaces: { prod: { id: "${RULES_WS}" } }')
    (tmp_path / "team.yaml").write_text("rules: [{ name: note, on: RunStatusChanged, do: log }]")
    event, unique = RunStatusChanged.example(), uuid4().hex[:12]
    [code] = blocks("python", PAGE)
    with otlp_receiver() as receiver:
        settings = {
            CONNECTION: azurite_connection,
            "MLEVENTS_TABLE": f"t{unique}",
            "MLEVENTS_QUEUE": f"q{unique}",
            "MLEVENTS_RULES": str(tmp_path),
            "RULES_WS": event.topic,
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        }
        arguments = [sys.executable, "-c", APP.format(code=code), json.dumps(event.wire())]
        subprocess.run(arguments, cwd=ROOT, env=os.environ | settings, check=True)
    received, call = receiver.spans
    assert (received.name, call.name) == ("receive RunStatusChanged", "act note")
    assert call.links == (received.id,)
    assert call.attributes["mlevents.status"] == "succeeded"
    assert receiver.metrics["mlevents.actions"] == {(("mlevents.outcome", "succeeded"), ("mlevents.rule", "note")): 1}
