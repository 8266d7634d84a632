"""host.json: the values on which the app's guarantees depend.

Sources: learn.microsoft.com, "host.json reference for Azure Functions" and "Azure Functions error handling and
retries"; what each value is for is in docs/guarantees.md.
"""

import ast
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dispatch.settings import Environment, SettingsError, function_timeout
from handlers.duration import format_duration
from mlevents.app_settings import BadFile, read_object
from mlevents.doctor.diagnosis import Diagnoses, Group, Subject
from mlevents.local.host.host_json import HostJson, QueueOptions

_FILE, _BUNDLE = "host.json", "Microsoft.Azure.Functions.ExtensionBundle"
_GROUP = Group("host.json")
_LONGEST = timedelta(minutes=30)  # of a function, and so the wait for a dead worker's actions


@dataclass(frozen=True, slots=True)
class _Expected:
    """What a queue setting must be, why, and what to write."""

    name: str
    holds: Callable[[QueueOptions], bool]
    why: str
    write: str


_QUEUES = (
    _Expected(
        "messageEncoding",
        lambda queues: not queues.base64,
        "the host would put each message that is not Base64 into the poison queue, without a call",
        '"none"',
    ),
    _Expected(
        "visibilityTimeout",
        lambda queues: queues.visibility_timeout >= timedelta(seconds=10),
        "an outage of a second would use up all calls of a message",
        '"00:01:00"',
    ),
    _Expected("maxDequeueCount", lambda queues: queues.max_dequeue_count >= 5, "a short outage poisons messages", "10"),
    _Expected(
        "maxPollingInterval",
        lambda queues: queues.max_polling_interval <= timedelta(seconds=30),
        "each action of an idle app waits as long",
        '"00:00:05"',
    ),
)


def check(subject: Subject) -> Diagnoses:
    """Check the file, as overridden by the app's settings."""
    try:
        document = read_object(subject.folder / _FILE)
        queues = HostJson.load(subject.folder, subject.environment).queues
    except FileNotFoundError:
        yield _GROUP.error("there is no host.json", str(subject.folder), "restore the project's file")
        return
    except BadFile as error:
        yield _GROUP.error(str(error), _FILE)
        return
    found = [*_of_file(document), *_of_timeout(subject), *_of_queues(queues, subject), *_of_retries(subject, document)]
    yield from found
    if all(each.severity == "ok" for each in found):
        yield _GROUP.ok("the values are those on which the app relies", _FILE)


def _of_file(document: Mapping[str, Any]) -> Diagnoses:
    if document.get("version") != "2.0":
        yield _GROUP.error(f"version is {document.get('version')!r}", _FILE, 'write "version": "2.0"')
    bundle = document.get("extensionBundle")
    bundle = bundle if isinstance(bundle, dict) else {}
    wanted = '"extensionBundle": {"id": "' + _BUNDLE + '", "version": "[4.*, 5.0.0)"}'
    if bundle.get("id") != _BUNDLE:
        yield _GROUP.error(
            "there is no extension bundle: no trigger but HTTP and timers works", _FILE, f"write {wanted}"
        )
    elif bundle.get("version") not in ("[4.*, 5.0.0)", "[4.0.0, 5.0.0)"):
        text = f"the range {bundle.get('version')!r} of the extension bundle may hold no version that Azure has"
        yield _GROUP.warning(text, _FILE, 'write "version": "[4.*, 5.0.0)"')
    if "telemetryMode" in document:
        text = "telemetryMode changes what the host and the worker log: log alerts and queries may find nothing"
        yield _GROUP.warning(text, _FILE, "remove it: see docs/decisions/0009")
    insights = ((document.get("logging") or {}).get("applicationInsights") or {}).get("samplingSettings") or {}
    if insights.get("isEnabled", True) and "Trace" not in str(insights.get("excludedTypes", "")):
        text = "Application Insights samples the log: lines that alerts count are dropped under load"
        yield _GROUP.warning(text, _FILE, 'write "excludedTypes": "Request;Exception;Trace" in samplingSettings')


def _of_timeout(subject: Subject) -> Diagnoses:
    try:
        span = function_timeout(Environment(subject.environment), subject.folder / _FILE)
    except SettingsError as error:
        yield _GROUP.error(str(error), _FILE, 'write "functionTimeout": "00:05:00"')
        return
    if span > _LONGEST:
        text = f"functionTimeout is {format_duration(span)}: the actions of a dead worker wait as long"
        yield _GROUP.warning(text, _FILE, 'write "functionTimeout": "00:05:00"; longer work checks back')


def _of_queues(queues: QueueOptions, subject: Subject) -> Diagnoses:
    for each in _QUEUES:
        if not each.holds(queues):
            text = f"extensions.queues.{each.name} is unset, or not as the app needs it: {each.why}"
            yield _GROUP.error(text, _FILE, f"write {json.dumps(each.name)}: {each.write}")
    threads = Environment(subject.environment).raw("PYTHON_THREADPOOL_THREAD_COUNT")
    most = queues.batch_size + queues.new_batch_threshold
    if threads.isdecimal() and int(threads) <= most:
        text = f"{most} actions may run at once, and a worker has {threads} threads: receiving needs a free one"
        yield _GROUP.warning(text, _FILE, 'write "batchSize": 8, "newBatchThreshold": 4')


def _of_retries(subject: Subject, document: Mapping[str, Any]) -> Diagnoses:
    """Retry policies of the host repeat a call at once, and hold a thread meanwhile; the app retries by itself."""
    if "retry" in document:
        yield _GROUP.error("the host's retry policy repeats calls that the app retries itself", _FILE, 'remove "retry"')
    file = subject.folder / "function_app.py"
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        yield _GROUP.error(f"function_app.py cannot be read: {error}", str(file), "restore the project's file")
        return
    for node in ast.walk(tree):
        for decorator in getattr(node, "decorator_list", ()):
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith(".retry"):
                text = "a retry policy repeats calls that the app retries itself"
                yield _GROUP.error(text, f"function_app.py:{decorator.lineno}", "remove the decorator")
