"""``do: slack``: post a message to a channel of Slack (docs/handlers/slack.md)."""

import re
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, SecretStr, model_validator

from handlers.base import Action, GiveUp, Outcome, Succeeded, shorten
from handlers.content.app import history_button
from handlers.content.fit import NOTE, fitted
from handlers.content.own import read_file, with_note
from handlers.content.summary import Summary, summarize
from handlers.http.answer import Meaning
from handlers.http.handler import HttpHandler
from handlers.http.url import Url
from handlers.json_template import JsonTemplate, Leaf, json_bytes
from handlers.slack.answers import WEBHOOK_MEANINGS, posted
from handlers.slack.message import MESSAGE_LIMIT, TEXT_LIMIT, context, default_message
from handlers.slack.text import escaped
from handlers.template import Template, encoding
from schemas import Event

_WEBHOOKS = ("hooks.slack.com", "hooks.slack-gov.com")
_APIS = ("slack.com", "slack-gov.com")
_API = Url("https://slack.com/api")
_CHANNEL = re.compile(r"[^\s#@<>,]{1,80}")
_THREAD = re.compile(r"\d{1,20}\.\d{1,20}")  # the `ts` of a message
_MAX_BLOCKS = 50  # docs.slack.dev, "Blocks"
_ESCAPING = encoding(escaped)


class MrkdwnTemplate(Template):
    """A template of mrkdwn, which escapes every value: an event can add no link, and notify nobody."""

    _environment = _ESCAPING


class _BlockLeaf(Leaf):
    _environment = _ESCAPING


class BlocksTemplate(JsonTemplate):
    """A list of blocks with templates, or an object with `blocks`, as Block Kit Builder has it. Raises ValueError."""

    leaf = _BlockLeaf

    def __init__(self, source: Any) -> None:
        blocks = source.get("blocks") if isinstance(source, dict) else source
        if not isinstance(blocks, list) or not all(isinstance(block, dict) and "type" in block for block in blocks):
            raise ValueError('should be a list of blocks, which have a "type" each')
        if not 0 < len(blocks) < _MAX_BLOCKS:
            raise ValueError(f"{len(blocks)} blocks; a message has at least one and at most {_MAX_BLOCKS - 1}")
        super().__init__(blocks)


class Slack(HttpHandler[Event]):
    """Post a message to a channel of Slack, through an incoming webhook, or as a bot with a token."""

    shows_events: ClassVar[bool] = True
    meanings: ClassVar[tuple[Meaning, ...]] = WEBHOOK_MEANINGS

    url: Url | None = None
    token: SecretStr | None = None
    channel: Template | None = None
    allowed_channels: tuple[str, ...] = ()
    thread: Template | None = None
    text: MrkdwnTemplate | None = None
    blocks: Annotated[BlocksTemplate, BeforeValidator(read_file)] | None = None
    api: Url | None = None

    @model_validator(mode="after")
    def _has_one_way(self) -> Self:
        if (self.url is None) == (self.token is None):
            raise ValueError("set either url, of an incoming webhook, or token and channel, of a bot")
        if self.url is not None and (self.channel or self.thread or self.allowed_channels):
            raise ValueError("channel, allowed_channels and thread are for a token: a webhook has its channel")
        for url, hosts in ((self.url, _WEBHOOKS), (self.api, _APIS)):
            if url is not None and not url.is_constant:
                raise ValueError("the URL is no template: write url: ${RULES_SLACK_URL}")
            if url is not None and not self.allow_private and url.host not in hosts:
                raise ValueError(
                    f"{url.host} is not a host of Slack ({', '.join(hosts)}); a gateway of your own needs "
                    "allow_private: true"
                )
        return self

    @model_validator(mode="after")
    def _channel_is_allowed(self) -> Self:
        if self.token is None:
            return self
        if self.channel is None:
            raise ValueError("set the channel: its id like C0123456789, or its name like #churn")
        if self.channel.is_constant:
            self._allowed(self.channel.source)
        elif not self.allowed_channels and not self.channel.names <= {"workspace"}:
            raise ValueError(
                f"the channel {self.channel.source!r} depends on the event: list the permitted channels in "
                "allowed_channels, like [churn, team-*]"
            )
        return self

    def run(self, event: Event, action: Action) -> Outcome:
        """Post the message. Raises RetryLater, GiveUp, TemplateError and `handlers.http.answer.ErrorAnswer`."""
        summary = summarize(event, action)
        message = self._message(event, summary)
        line = f"posted a message: {self._shown(message, summary)}"
        headers = {"Content-Type": "application/json; charset=utf-8"}
        url = self._target.render(event)
        if self.token is None:
            self.send("POST", url, headers=headers, body=json_bytes(message))
            return Succeeded(line)
        headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        body = json_bytes({**self._place(event), **message})
        answer = self.send("POST", f"{url.rstrip('/')}/chat.postMessage", headers=headers, body=body)
        return Succeeded(line, posted(answer))

    def plan(self, event: Event) -> str:
        """The channel, and the headline or the rule's text. Raises jinja2.TemplateError and GiveUp, as `run` does."""
        summary = summarize(event, Action())
        message = self._message(event, summary)
        where = self._channel(event) if self.token else self._target.origin
        if self.thread and self.thread.render(event).strip():  # in an example, it is no message's
            where += ", in a thread"
        return f"post a message to {where}: {self._shown(message, summary)!r}"

    def _shown(self, message: dict[str, Any], summary: Summary) -> str:
        """The rule's text in one line, or the headline."""
        return shorten(" ".join(message["text"].split()), 200) if self.text else summary.headline

    @property
    def _target(self) -> Url:
        return self.url or self.api or _API

    def _urls(self) -> tuple[Url]:
        return (self._target,)

    def _place(self, event: Event) -> dict[str, str]:
        """The channel, and the thread if there is one."""
        thread = self.thread.render(event).strip() if self.thread else ""
        if thread and not _THREAD.fullmatch(thread):
            raise GiveUp(f"the thread {shorten(thread, 100)!r} is not the ts of a message: {{{{ result.details.ts }}}}")
        return {"channel": self._channel(event), **({"thread_ts": thread} if thread else {})}

    def _channel(self, event: Event) -> str:
        try:
            return self._allowed(self.channel.render(event) if self.channel else "")
        except ValueError as error:
            raise GiveUp(str(error)) from error

    def _allowed(self, text: str) -> str:
        """The channel without its #. Raises ValueError if it is not allowed."""
        channel = text.strip().removeprefix("#")
        if not _CHANNEL.fullmatch(channel):
            raise ValueError(f"{shorten(text, 100)!r} is not a channel: write its id like C0123456789, or its name")
        patterns = [pattern.removeprefix("#") for pattern in self.allowed_channels]
        if patterns and not any(fnmatchcase(channel, pattern) for pattern in patterns):
            raise ValueError(
                f"the channel {channel!r} is not one of allowed_channels: {', '.join(self.allowed_channels)}"
            )
        return channel

    def _message(self, event: Event, summary: Summary) -> dict[str, Any]:
        if self.blocks is None and self.text is None:
            message = default_message(summary, history_button(event))
        else:
            text = self.text.render(event).strip() if self.text else escaped(summary.subject)
            message = {"text": shorten(text or escaped(summary.subject), TEXT_LIMIT)}
            if self.blocks is not None:
                message["blocks"] = _own(self.blocks.render(event))
        return {**message, "unfurl_links": False, "unfurl_media": False}


def _own(blocks: list[Any]) -> list[Any]:
    return fitted(lambda longest: with_note(blocks, context(NOTE), longest or TEXT_LIMIT), MESSAGE_LIMIT)
