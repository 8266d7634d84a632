"""A worker may die before and after every request to Azure and every call to storage, in every story of a roll-out.

Counted, not listed: a healthy worker tells each story once, and its writes to Azure are the measure. Whoever dies
where, the same is written, each thing once and in the same order; no deployment is left over, and the traffic is where
it belongs. `make test` takes some of the places, `make soak` all, and pairs of them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from dispatch.act import rearm
from dispatch.inbox.messages import Message
from emulator import Azure
from handlers.azure.ml.names import deployment_name
from handlers.azure.ml.resources import ModelRef
from handlers.deploy.plan import ACTION_TAG
from tests.handlers.deploy.site import DEV, PROD, CrashAtWrite, Site
from tests.kit.faults import CrashAt

pytestmark = [pytest.mark.services, pytest.mark.no_cover]  # other tests cover the same lines

SEVEN = deployment_name(ModelRef("churn", "7", workspace=PROD))
EIGHT = deployment_name(ModelRef("churn", "8", workspace=PROD))
CRASHED = "User container has crashed."
PUT_TRAFFIC = "PUT onlineEndpoints/churn"
REQUEST = "samples/churn-request.json"


@dataclass(frozen=True)
class Story:
    """What is there, what is asked for, and what must come of it."""

    name: str
    status: str
    traffic: dict[str, int]
    settings: dict[str, Any]
    said: str
    given: Callable[[Azure], None]
    fails: bool = False  # does the change of traffic? Then it may be asked for again: nothing shows that it was


def nothing(_: Azure) -> None:
    """No endpoint."""


def seven(azure: Azure) -> None:
    """The endpoint, with version 7 behind it, which an earlier action has deployed."""
    azure.endpoints.add("churn", traffic={SEVEN: 100})
    model = azure.models.register("churn", "7", {"stage": "production"})
    azure.endpoints.add_deployment("churn", SEVEN, model, tags={ACTION_TAG: "of-an-earlier-action"})


def bad_container(azure: Azure) -> None:
    seven(azure)
    azure.faults.fail_deployment(EIGHT, CRASHED, logs="ModuleNotFoundError: sklearn")


def bad_under_load(azure: Azure) -> None:
    """It answers well before it has traffic, and not any more when it has."""
    seven(azure)

    def scorer(_: Any) -> Any:
        return [0] if not azure.endpoints.traffic("churn").get(EIGHT) else None

    azure.scoring.set_response("churn", EIGHT, scorer=scorer)


def failing_update(azure: Azure) -> None:
    """Changes of the traffic are accepted, and fail."""
    seven(azure)
    azure.faults.fail_update("churn", "no healthy replica")


STORIES = (
    Story("first", "succeeded", {"8": 100}, {}, "churn:8 serves churn", nothing),
    Story("next", "succeeded", {"8": 100}, {"traffic": [50, 100], "keep": 0}, "churn:8 serves churn", seven),
    Story("bad-container", "failed", {"7": 100}, {}, f"is Failed: ResourceNotReady: {CRASHED}", bad_container),
    Story(
        "bad-under-load",
        "failed",
        {"7": 100},
        {"smoke_test": {"request": REQUEST, "expect": "{{ answer == [0] }}"}},
        "unhealthy with 10 %",
        bad_under_load,
    ),
    Story("fail-update", "failed", {"7": 100}, {}, "BadRequest: no healthy replica", failing_update, fails=True),
)


def behind(story: Story, reads: int = 2) -> Story:
    """The same where all is done at once, and some reads do not show it yet: the worst case for whoever looks first."""

    def given(azure: Azure) -> None:
        story.given(azure)
        azure.operations.set_duration(polls=0)
        azure.faults.stale_reads(reads)
        azure.faults.late_reads(reads, "onlineEndpoints/*")

    return replace(story, given=given)


@contextmanager
def told(story: Story, crash: CrashAt, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The story, in a world of its own; what is left open is put back as the sweep would put it back."""
    with TemporaryDirectory() as folder, Azure(PROD, DEV) as azure:
        for name, value in azure.settings.items():
            monkeypatch.setenv(name, value)
        story.given(azure)
        site = Site.of(azure, Path(folder), "", story.settings, crash)
        site.register("8")
        site.run()
        for _ in range(8):
            if site.actions["churn-8"].ended:
                break
            site.world.clock.forward(minutes=30)
            tickets = {id: record.message_version for id, record in site.world.history().actions}
            for id in site.world.app.inbox.backlog.open_actions("2026-11-22"):
                rearm(str(Message(id, tickets[id])), site.world.app)
            site.run()
        yield site


def check(site: Site, story: Story, writes: list[str]) -> None:
    status, note = site.end("churn-8")
    assert status == story.status, note
    assert story.said in note
    assert site.traffic() == story.traffic
    assert site.versions() == sorted(story.traffic)
    assert (once(site) if story.fails else site.writes()) == writes


def once(site: Site) -> list[str]:
    """What was written, without repeats of a change of traffic in the new one's favour."""
    calls = [call for call in site.azure.calls.all if call.method in {"PUT", "DELETE"}]
    forth: list[dict[str, int]] = [
        call.body["properties"]["traffic"] if call.target == PUT_TRAFFIC else {} for call in calls
    ]
    pairs = zip(calls, forth, [{}, *forth], strict=False)
    return [call.target for call, now, last in pairs if not (now.get(EIGHT) and now == last)]


@pytest.fixture(scope="module")
def measured() -> dict[str, tuple[list[str], int]]:
    """By story: what a healthy worker writes, and how many calls it makes."""
    found = {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        for story in STORIES:
            with told(story, crash := CrashAt(), monkeypatch) as site:
                found[story.name] = site.writes(), crash.calls
                check(site, story, site.writes())
    return found


def each(measured: dict[str, tuple[list[str], int]], story: Story) -> list[tuple[int, str]]:
    return [(call, when) for call in range(1, measured[story.name][1] + 1) for when in ("before", "after")]


def test_the_stories_are_what_they_say(measured: dict[str, tuple[list[str], int]]) -> None:
    """Healthy: a deployment is made once, and what was made in vain is deleted."""
    endpoint, eight, old = "onlineEndpoints/churn", f"onlineEndpoints/churn/deployments/{EIGHT}", SEVEN
    assert {name: writes for name, (writes, _) in measured.items()} == {
        "first": [f"PUT {endpoint}", f"PUT {eight}", f"PUT {endpoint}"],
        "next": [f"PUT {eight}", f"PUT {endpoint}", f"PUT {endpoint}", f"DELETE {endpoint}/deployments/{old}"],
        "bad-container": [f"PUT {eight}", f"DELETE {eight}"],
        "bad-under-load": [f"PUT {eight}", f"PUT {endpoint}", f"PUT {endpoint}", f"DELETE {eight}"],
        "fail-update": [f"PUT {eight}", f"PUT {endpoint}", f"PUT {endpoint}", f"DELETE {eight}"],
    }


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_worker_may_die_anywhere(
    story: Story, measured: dict[str, tuple[list[str], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every 151st place."""
    for place in each(measured, story)[::151]:
        with told(story, CrashAt(place), monkeypatch) as site:
            check(site, story, measured[story.name][0])


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_worker_may_die_after_any_write_though_reads_are_behind(
    story: Story, measured: dict[str, tuple[list[str], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written twice: whoever comes after looks for a while before it asks for what may be done.

    One write of each kind: an endpoint, a deployment, traffic, one that failed, traffic that goes back, an old one.
    """
    writes = measured[story.name][0]
    places = {"first": (1, 3), "bad-container": (1, 2), "bad-under-load": (3,), "next": (4,), "fail-update": (3,)}
    for nth in places[story.name]:
        reads = 5 if (story.name, nth) == ("bad-container", 1) else 2
        with told(behind(story, reads), crash := CrashAtWrite(nth), monkeypatch) as site:
            check(site, story, writes)
            assert crash.nth == 0


def test_a_worker_may_die_after_it_has_deleted_what_an_earlier_action_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads still show of it is not deleted again, nor taken for the new one."""

    def given(azure: Azure) -> None:
        seven(azure)
        model = f"{PROD}/models/churn/versions/8"
        azure.endpoints.add_deployment("churn", EIGHT, model, state="Failed", tags={ACTION_TAG: "of-another-action"})

    story = Story("left", "succeeded", {"8": 100}, {"traffic": [100]}, "churn:8 serves churn", given)
    eight = f"onlineEndpoints/churn/deployments/{EIGHT}"
    with told(behind(story), crash := CrashAtWrite(1), monkeypatch) as site:
        assert (site.end("churn-8")[0], crash.nth) == ("succeeded", 0)
        assert site.traffic() == {"8": 100}
        assert site.writes() == [f"DELETE {eight}", f"PUT {eight}", "PUT onlineEndpoints/churn"]


@pytest.mark.soak
@pytest.mark.parametrize("reads", [2, 5])
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_worker_may_die_really_anywhere_though_reads_are_behind(
    story: Story, reads: int, measured: dict[str, tuple[list[str], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third place."""
    with told(behind(story, reads), crash := CrashAt(), monkeypatch) as site:
        check(site, story, measured[story.name][0])
    places = [(call, when) for call in range(1, crash.calls + 1, 3) for when in ("before", "after")]
    for place in places:
        with told(behind(story, reads), CrashAt(place), monkeypatch) as site:
            check(site, story, measured[story.name][0])
    print(f"\n{story.name}, behind: {len(places)} deaths")


@pytest.mark.soak
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_worker_may_die_really_anywhere(
    story: Story, measured: dict[str, tuple[list[str], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every place."""
    places = each(measured, story)
    for place in places:
        with told(story, CrashAt(place), monkeypatch) as site:
            check(site, story, measured[story.name][0])
    print(f"\n{story.name}: {len(places)} deaths")


@pytest.mark.soak
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_two_workers_may_die_anywhere(
    story: Story, measured: dict[str, tuple[list[str], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every 997th pair of places: the second death may be in the repair of the first."""
    pairs = list(combinations(each(measured, story), 2))[::997]
    for pair in pairs:
        with told(story, CrashAt(*pair), monkeypatch) as site:
            check(site, story, measured[story.name][0])
    print(f"\n{story.name}: {len(pairs)} pairs of deaths")


@pytest.mark.parametrize("story", STORIES[1:2], ids=lambda story: story.name)
@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_an_answer_may_get_lost(
    story: Story, applied: bool, measured: dict[str, tuple[list[str], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks at a write, before or after Azure has applied it: nothing is applied a second time."""
    writes = measured[story.name][0]
    for nth, write in enumerate(writes, 1):
        method = write.split()[0]
        of_this_method = sum(other.startswith(method) for other in writes[:nth])

        def given(azure: Azure, method: str = method, count: int = of_this_method) -> None:
            story.given(azure)
            (azure.faults.close_after if applied else azure.faults.close_before)(count, f"{method} *")

        with told(replace(story, given=given), CrashAt(), monkeypatch) as site:
            assert [call.target for call in site.azure.calls.all if call.status is None] == [write]
            done = [c.target for c in site.azure.calls.all if c.method in {"PUT", "DELETE"} and (applied or c.status)]
            assert done == writes
            check(site, story, site.writes())
