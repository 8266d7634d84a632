"""Make texts from an event safe for Slack: ``<!channel>`` and ``<@U1>`` would notify people, ``<url|x>`` is a link.

Text objects decode these three entities, and no others (docs.slack.dev, "Formatting message text", escaping text).
"""

from bisect import bisect
from itertools import accumulate

from handlers.content.text import clean

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escaped(text: str, limit: int | None = None) -> str:
    """The text as Slack shows it unchanged, cut to `limit` characters with the entities counted."""
    letters = [_ENTITIES.get(letter, letter) for letter in clean(text)]
    ends = [*accumulate(map(len, letters))]
    if limit is None or not ends or ends[-1] <= limit:
        return "".join(letters)
    return "".join(letters[: bisect(ends, limit - 1)]) + "…"


def link(label: str, url: str) -> str:
    """A link in mrkdwn. The URL is one that a message can link to (`handlers.content.button.is_link`)."""
    return f"<{escaped(url).replace('|', '%7C')}|{escaped(label).replace('|', ' ')}>"
