"""Events and request bodies as hostile senders and broken serializers send them, generated with a seed."""

import json
import random
from collections.abc import Iterator
from typing import Any

from tests.kit.started import ROOT

SAMPLES = [
    json.loads(path.read_text())[0]
    for path in sorted((ROOT / "samples").glob("*.json"))
    if path.read_text().lstrip().startswith("[")
]
CLOUD_EVENTS = [
    json.loads(path.read_text())[0] for path in sorted((ROOT / "tests/payloads").glob("docs_cloudevents_*.json"))
]
HUGE = 10**400
TEXTS = (
    "",
    " ",
    "\x00",
    "a\x00b\x1b[2J\x07",
    "\ud800",
    "\udfff\ud800",
    "\u202egnp.exe\u2066",
    "../../../etc/passwd",
    "a/b\\c#d?e%2f|f~!",
    "' or RowKey ge '",
    '"; DROP TABLE events; --',
    "$(reboot) `reboot` ; reboot & | > /dev/null",
    "{{ 7 * 7 }}{% for x in range(10**9) %}{% endfor %}",
    "<script>alert(1)</script>",
    "a: &a [*a, *a]\n- !!python/object/apply:os.system [reboot]",
    "x\r\nevent.received id=forged\r\n",
    "\u2028\u2029\x85",
    "%s %d {0} ${HOME} %HOME%",
    "NaN",
    "null",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.9999999-14:00",
    "1600-12-31T00:00:00Z",
    "2026-02-30T25:61:61Z",
    "2026-11-22 09:12:44.1234567891",
    "2026-W47-7",
    "1732266764",
    "/subscriptions//resourceGroups//providers/Microsoft.MachineLearningServices/workspaces/",
    "é" * 600,
    "𝄞" * 3_000,
    "x" * 33_000,
)
NUMBERS = (0, -1, 2**31, 2**63, HUGE, -HUGE, 1e308, 1e-400, float("inf"), float("-inf"), float("nan"), True, False)


def deep(levels: int, key: str = "") -> str:
    """JSON with so many nested arrays, or with a key, nested objects."""
    return f'{{"{key}":' * levels + "1" + "}" * levels if key else "[" * levels + "]" * levels


def values(rng: random.Random) -> Any:
    """An unexpected value."""
    kind = rng.randrange(8)
    match kind:
        case 0 | 1 | 2:
            return rng.choice(TEXTS)
        case 3:
            return rng.choice(NUMBERS)
        case 4:
            return json.loads(deep(rng.choice((2, 60, 63, 64, 65, 200)), rng.choice(("", "a"))))
        case 5:
            return {rng.choice(TEXTS): rng.choice(TEXTS) for _ in range(rng.choice((1, 50, 500)))}
        case 6:
            return [rng.choice((*TEXTS, *NUMBERS, None)) for _ in range(rng.choice((0, 1, 100)))]
    return None


def altered(event: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """A copy of the event with one to three values replaced, deleted, renamed or added."""
    copy: dict[str, Any] = json.loads(json.dumps(event))
    for _ in range(rng.randint(1, 3)):
        target = rng.choice([each for each in _objects(copy) if each])
        name = rng.choice(list(target))
        match rng.randrange(6):
            case 0:
                del target[name]
            case 1:
                target[rng.choice((name.upper(), name.title(), f" {name}", rng.choice(TEXTS)))] = target.pop(name)
            case 2:
                target[rng.choice(TEXTS)] = values(rng)
            case _:
                target[name] = values(rng)
        if not copy:
            break
    return copy


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in [*value.values()]:
            yield from _objects(item)


def damaged(text: bytes, rng: random.Random) -> bytes:
    """A copy of the bytes, with some changed, deleted, repeated or inserted."""
    broken = bytearray(text)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(broken) + 1)
        match rng.randrange(5):
            case 0:
                broken[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del broken[at : at + rng.choice((1, 10, 400))]
            case 2:
                broken[at:at] = broken[at : at + rng.choice((1, 30))]
            case 3:
                broken[at:at] = rng.choice((b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\x00", b"\\u", b'"', b"}", b",,"))
            case _:
                del broken[at:]
        if not broken:
            break
    return bytes(broken)


def with_duplicate_key(event: dict[str, Any], rng: random.Random) -> str:
    """The event as JSON with a duplicate key."""
    name = rng.choice(list(event))
    return json.dumps(event)[:-1] + f", {json.dumps(name)}: {json.dumps(values(rng))}}}"


def deliveries(count: int, seed: int) -> Iterator[bytes]:
    """Bodies of requests: altered and damaged samples, one or several, in either envelope."""
    rng = random.Random(seed)
    for _ in range(count):
        event = rng.choice((*SAMPLES, *CLOUD_EVENTS))
        match rng.randrange(8):
            case 0:
                yield damaged(json.dumps([event]).encode(), rng)
            case 1:
                yield f"[{with_duplicate_key(event, rng)}]".encode()
            case 2:
                yield json.dumps([altered(event, rng), altered(event, rng), rng.choice((event, 5, None, []))]).encode()
            case 3:
                yield json.dumps(altered(event, rng), ensure_ascii=False).encode("utf-8", "surrogatepass")
            case _:
                yield json.dumps([altered(event, rng)]).encode()
