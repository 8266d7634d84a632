"""Guards: may this action run now? Each is one key of a rule or a word of its handler, and knows nothing of the others.

A guard answers None (go on), Skipped (never) or Hold (ask again later). It may keep one small note, changed by compare
and swap (`dispatch.inbox.shared_state`). A note names what it let pass: that passes again after a crash, and nothing
ever has to be released. What has begun, because its handler has checked back, is not stopped half-way.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from dispatch.inbox.inbox import Inbox
from dispatch.inbox.leases import Claim
from handlers.base import Skipped


class GuardContext(NamedTuple):
    """What a guard looks at: the claimed action, and the inbox for its note."""

    claim: Claim
    inbox: Inbox
    now: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """Not now: ask again after a while. The action is as it was."""

    after: timedelta
    note: str


Guard: TypeAlias = Callable[[GuardContext], Skipped | Hold | None]
