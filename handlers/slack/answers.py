"""What the answers of Slack mean.

An incoming webhook answers a status and a word (docs.slack.dev, "Sending messages using incoming webhooks", handling
errors). ``chat.postMessage`` answers 200 and JSON, in which ``ok`` says whether it has posted (docs.slack.dev,
"chat.postMessage", errors).
"""

import re
from datetime import UTC, datetime
from typing import Any

from handlers.base import GiveUp, RetryLater, shorten
from handlers.errors import retry_after
from handlers.http.answer import Answer, Meaning
from schemas.errors import printable

_WEBHOOK = "docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"
_WRITE_ANOTHER = "the webhook is disabled or removed: create one, and write its URL"
_WORDS = {  # of a webhook's answers that further attempts would get again
    "action_prohibited": "an administrator of Slack restricts posting",
    "posting_to_general_channel_denied": "an administrator of Slack restricts posting to #general",
    "channel_not_found": "the channel does not exist, or is private and without the app",
    "no_service": _WRITE_ANOTHER,
    "no_service_id": _WRITE_ANOTHER,
    "no_active_hooks": _WRITE_ANOTHER,
    "invalid_token": _WRITE_ANOTHER,
    "no_team": "the Slack workspace is missing",
    "team_disabled": "the Slack workspace is disabled",
}
WEBHOOK_MEANINGS = tuple(
    Meaning(status, GiveUp, advice, text=word, source=_WEBHOOK)
    for status in (403, 404)  # 400 and 410 are permanent by themselves: invalid_payload, channel_is_archived
    for word, advice in _WORDS.items()
)

_POSTED = re.compile(r'\s*\{\s*"ok"\s*:\s*true\b')
_THROTTLED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
# The server's own, and a workspace that is being migrated.
_TRANSIENT = frozenset(
    {
        *("fatal_error", "internal_error", "service_unavailable", "request_timeout"),
        *("team_added_to_org", "org_login_required"),
    }
)
_ADVICE = {
    "channel_not_found": "write the channel's id, and invite the app if the channel is private",
    "not_in_channel": "invite the app to the channel, or give it the scope chat:write.public",
    "is_archived": "unarchive the channel, or write another one",
    "missing_scope": "give the app the scope chat:write, and install it again",
    **dict.fromkeys(
        ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type"),
        "the token is not valid: write the app's Bot User OAuth Token, which begins with xoxb-",
    ),
    **dict.fromkeys(("invalid_blocks", "invalid_blocks_format"), "check the blocks in Block Kit Builder"),
}


def posted(answer: Answer) -> dict[str, str]:
    """The details of a message that was posted: its channel's id, and its `ts`, which names it for a thread.

    Raises RetryLater and GiveUp if Slack has not posted it: all errors are permanent but those that are known as not.
    """
    try:
        found = answer.json()
    except RetryLater:
        if _POSTED.match(answer.text):
            return {}  # the rest is cut off; another attempt would post the message twice
        raise
    if not isinstance(found, dict):
        raise RetryLater(f"{answer.host} answered JSON that is no object")
    if found.get("ok") is True:
        return {name: str(found[name]) for name in ("channel", "ts") if name in found}
    error = shorten(printable(str(found.get("error"))), 100)
    reason = f"Slack answered {error}{_messages(found)}"
    if error in _THROTTLED:
        raise RetryLater(reason, retry_after(answer.headers, datetime.now(UTC)), throttled=True)
    if error in _TRANSIENT:
        raise RetryLater(reason)
    raise GiveUp(f"{reason}; {_ADVICE[error]}" if error in _ADVICE else reason)


def _messages(found: dict[str, Any]) -> str:
    """What Slack adds to an error, such as which block is invalid."""
    metadata = found.get("response_metadata")
    messages = metadata.get("messages") if isinstance(metadata, dict) else None
    texts = [printable(str(each)) for each in messages[:3]] if isinstance(messages, list) else []
    return f": {shorten('; '.join(texts), 300)}" if texts else ""
