"""Anything may go wrong anywhere: at every call to storage and at every effect, one thing at a time and in pairs.

Counted, not listed: each story is told once by a healthy worker, and then once for each thing that can go wrong in each
of its calls. In pairs, the second is in what the first led to: so it may hit the repair.
"""

import logging
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.kit.crash_enumeration import Story, Telling, check, swept
from tests.kit.faults import Fault, Faults
from tests.kit.scenarios import STORIES

pytestmark = pytest.mark.no_cover  # the same lines many times; that they are reached, other tests show

SEED = 20261122
FIRSTS, SECONDS = 9, 4  # how many pairs of each story are in the default run
BY_STORY = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand tellings say a lot, and capturing it takes longer than telling."""
    caplog.set_level(logging.CRITICAL, logger="mlevents")


def told(story: Story, *faults: Fault) -> Telling:
    """Tell it with these faults and check the end; what is wrong says which they were."""
    telling = Telling(story, Faults(faults))
    try:
        check(telling.tell())
        assert telling.faults.struck == len(faults)
    except Exception as error:
        error.add_note(f"story {story.name!r}: {', and '.join(map(str, faults)) or 'nothing goes wrong'}")
        raise
    return telling


def pairs(story: Story) -> Iterator[tuple[Fault, Fault]]:
    """Every two faults, of which the second is in the story as the first has changed it."""
    for first in told(story).faults.different():
        for second in told(story, first).faults.different(after=first.call):
            yield first, second


@BY_STORY
def test_nothing_goes_wrong_by_itself(story: Story) -> None:
    """Each effect once; and the story has all kinds of calls to go wrong."""
    healthy = told(story)
    assert len({*healthy.faults.effects}) == len(healthy.faults.effects)
    assert {*healthy.faults.calls} == {"read", "commit", "send", "effect"}


@BY_STORY
def test_the_sweep_is_not_needed(story: Story) -> None:
    """Where no message is lost, nor comes by chance twice."""
    telling = Telling(story, twice=False).tell()
    check(telling)
    assert swept(telling) == [place for place in [story.loses] if place in story.ends]


@BY_STORY
def test_what_comes_twice_leads_to_nothing_more(story: Story) -> None:
    """A message costs a read: the second one has an old ticket, and is dropped. An event costs a commit that fails."""
    once, twice = (Telling(story, twice=twice).tell() for twice in (False, True))
    assert once.faults.effects == twice.faults.effects
    more = Counter(twice.faults.calls) - Counter(once.faults.calls)
    assert set(more) == {"read", "commit"}
    assert more["commit"] == len(story.events)


@BY_STORY
def test_one_thing_may_go_wrong_anywhere(story: Story) -> None:
    """A worker dies before or after a call, a call fails, an answer is lost, a rival is quicker."""
    for fault in told(story).faults.possible():
        told(story, fault)


@BY_STORY
def test_two_things_may_go_wrong_anywhere(story: Story) -> None:
    """Some of the pairs; all of them are in the soak."""
    chance = random.Random(SEED)
    for first in chance.sample(told(story).faults.different(), FIRSTS):
        seconds = told(story, first).faults.different(after=first.call)
        for second in chance.sample(seconds, min(SECONDS, len(seconds))):
            told(story, first, second)


@pytest.mark.soak
@BY_STORY
def test_every_two_things_may_go_wrong(story: Story) -> None:
    """All pairs."""
    count = 0
    for pair in pairs(story):
        told(story, *pair)
        count += 1
    print(f"\n{story.name}: {len(told(story).faults.possible())} single faults and {count} pairs")
