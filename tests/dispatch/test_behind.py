"""A reader that is behind and clocks that differ by a minute do no harm: nothing is lost, and every order is kept.

An effect may be repeated, as after a crash: who cannot see that the lease is still his does not record what he did.
"""

import logging
import random
from datetime import timedelta

import pytest

from dispatch.inbox.tables import Row
from tests.kit.crash_enumeration import Story, Telling, check_record
from tests.kit.scenarios import STORIES
from tests.kit.stale_reads import Behind, RememberingTable

pytestmark = pytest.mark.no_cover  # the same lines many times; that they are reached, other tests show

MOST = 8  # commits that a reader may be behind: more than lie between an action's row and its first effect
SKEW = 30.0  # seconds that a worker's clock may be fast or slow
BY_STORY = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)


def told_by_the_belated(story: Story, seed: int) -> int:
    """Tell it with stale reads; how many there were."""
    chance, table = random.Random(seed), RememberingTable()
    reader = Behind(table, chance, MOST)
    telling = Telling(story, table=table, reader=reader, skew=lambda: timedelta(seconds=chance.uniform(-SKEW, SKEW)))
    try:
        check_record(telling.tell())
    except Exception as error:
        error.add_note(f"story {story.name!r}, seed {seed}")
        raise
    return reader.stale


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="mlevents")


@BY_STORY
def test_stale_reads_lose_nothing(story: Story) -> None:
    """A dozen seeds; many more are in the soak."""
    assert sum(told_by_the_belated(story, seed) for seed in range(12)) > 50


@pytest.mark.soak
@BY_STORY
def test_stale_reads_never_lose_anything(story: Story) -> None:
    """A thousand seeds."""
    stale = sum(told_by_the_belated(story, seed) for seed in range(1_000))
    print(f"\n{story.name}: {stale} stale reads")


def test_the_belated_reader_sees_each_moment_as_it_was() -> None:
    """All rows of a commit or none, what was deleted, and what has changed since."""
    table = RememberingTable()
    [etag, _] = table.commit("p", Row("a", {"n": 1}), Row("b", {"n": 1}))
    table.commit("p", Row("a", {"n": 2}, etag), delete=("b",))
    assert [(row.key, row.values["n"]) for row in table.as_of(1, "p", "", "~")] == [("a", 1), ("b", 1)]
    assert [(row.key, row.values["n"]) for row in table.as_of(2, "p", "", "~")] == [("a", 2)]
    assert table.as_of(0, "p", "", "~") == []
