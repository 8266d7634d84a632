"""A worker may die before and after every request to Azure and every call to storage: one job for an action.

Counted, not listed: a healthy worker tells each story once. Whoever dies where, the same comes of it. Only what has
neither a name nor a key of ours may end unsure; it is never started twice. `make test` takes some of the places,
`make soak` all, and pairs of them.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from emulator import Azure
from mlevents.local.azurite import Azurite
from tests.handlers.pipeline.site import DEV, FACTORY, JOB, PROD, QUIET, Site
from tests.handlers.pipeline.test_batch import deploy_pipeline
from tests.handlers.pipeline.test_factory import DECLARED
from tests.kit.emulator import trust_only
from tests.kit.faults import CrashAt

pytestmark = [QUIET, pytest.mark.services, pytest.mark.no_cover]  # other tests cover the same lines


@dataclass(frozen=True)
class Story:
    """What is asked for, what is there, and what must come of it."""

    name: str
    settings: dict[str, Any]
    starts: str  # the call that starts it
    status: str = "succeeded"
    unsure: bool = False  # may it end so?
    given: Callable[[Azure], None] = field(default=lambda azure: None)


def fails(azure: Azure) -> None:
    azure.jobs.fail(message="ValueError: bad data")


def never_ends(azure: Azure) -> None:
    azure.jobs.set_duration(None)


PUT, INVOKE, CREATE = "PUT jobs/*", "POST /inference/*/jobs", f"POST {FACTORY}/pipelines/*/createRun"
COMPONENT = {"job": "azureml:retrain:3", "compute": "cpu-cluster"}
STORIES = (
    Story("file", {"job": JOB}, PUT),
    Story("component", COMPONENT | {"wait": True}, PUT),
    Story("failing", COMPONENT | {"wait": True}, PUT, "failed", given=fails),
    Story(
        "endless",
        COMPONENT | {"wait": True, "timeout": "5m", "cancel_on_timeout": True},
        PUT,
        "failed",
        given=never_ends,
    ),
    Story("batch-pipeline", {"batch_endpoint": "churn", "deployment": "retrain", "wait": True}, INVOKE),
    Story("batch-model", {"batch_endpoint": "churn", "deployment": "churn-7"}, INVOKE, unsure=True),
    Story("factory", {"data_factory": FACTORY, "pipeline": "copy-and-train", "wait": True}, CREATE),
    Story("factory-without-key", {"data_factory": FACTORY, "pipeline": "copy"}, CREATE, unsure=True),
)
ALIKE = ("file", "failing", "endless")  # they are started as the component is
BY_STORY = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@pytest.fixture
def tell(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> "Tell":
    """Tells a story in a world of its own."""

    @contextmanager
    def told(
        story: Story, deaths: CrashAt | None = None, faults: Callable[[Azure], None] = lambda azure: None
    ) -> Iterator[Site]:
        with TemporaryDirectory() as folder, Azure(PROD, DEV, storage=azurite.connection_string) as azure:
            trust_only(azure, monkeypatch)
            azure.workspaces.add_compute("cpu-cluster")
            azure.jobs.set_duration(60)
            azure.endpoints.add("churn", "Batch", default="churn-7")
            azure.endpoints.add_deployment("churn", "churn-7", azure.models.register("churn", "7"))
            deploy_pipeline(azure)
            azure.factories.add("adf-churn", {"copy-and-train": DECLARED, "copy": {}})
            story.given(azure)
            faults(azure)
            site = Site.of(azure, Path(folder), "", story.settings, deaths or CrashAt())
            site.tell()
            site.until_ended()
            yield site

    return told


Tell = Callable[..., Any]


def started(site: Site) -> int:
    return len(site.azure.jobs.all) + len(site.azure.factories.runs("adf-churn"))


def check(site: Site, story: Story) -> None:
    """One was started; or it is not known, and that is said, and there are not two."""
    if story.unsure and site.end[1].startswith("unsure"):
        assert site.end[0] == "failed"
        assert started(site) <= 1
    else:
        assert site.end[0] == story.status, site.end
        assert started(site) == 1


def places(tell: Tell, story: Story) -> list[tuple[int, str]]:
    """Where a worker may die, as a healthy one shows; which has started one and asked for it once."""
    with tell(story, deaths := CrashAt()) as site:
        check(site, story)
        assert not site.end[1].startswith("unsure")
        assert len(site.azure.calls.matching(story.starts)) == 1
    return [(call, when) for call in range(1, deaths.calls + 1) for when in ("before", "after")]


@BY_STORY
def test_a_worker_may_die_anywhere(story: Story, tell: Tell) -> None:
    """Two of the places, other ones of each story; of the one that uploads, which takes long, one."""
    found = places(tell, story)
    for place in found[3 + len(story.name) % 9 :: len(found) // 2][: 1 if story.name == "file" else 2]:
        with tell(story, CrashAt(place)) as site:
            check(site, story)


@pytest.mark.parametrize("story", [s for s in STORIES if s.name not in ALIKE], ids=lambda story: story.name)
@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_the_answer_to_what_starts_it_may_be_lost(story: Story, applied: bool, tell: Tell) -> None:
    """The connection breaks, before or after Azure has started it."""
    with tell(
        story, None, lambda azure: (azure.faults.close_after if applied else azure.faults.close_before)(1, story.starts)
    ) as site:
        check(site, story)
        assert len(site.azure.calls.matching(story.starts)) == (1 if applied else 2)


@pytest.mark.soak
@BY_STORY
def test_a_worker_may_die_really_anywhere(story: Story, tell: Tell) -> None:
    """Every place."""
    found = places(tell, story)
    for place in found:
        with tell(story, CrashAt(place)) as site:
            check(site, story)
    print(f"\n{story.name}: {len(found)} deaths")


@pytest.mark.soak
@BY_STORY
def test_two_workers_may_die_anywhere(story: Story, tell: Tell) -> None:
    """Every 41st pair of places: the second death may be in the repair of the first."""
    pairs = list(combinations(places(tell, story), 2))[::41]
    for pair in pairs:
        with tell(story, CrashAt(*pair)) as site:
            check(site, story)
    print(f"\n{story.name}: {len(pairs)} pairs of deaths")
