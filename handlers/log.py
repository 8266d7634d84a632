"""``do: log``: write a line to the app's log, for example to see which events a new rule matches."""

import logging
from typing import Literal

from handlers.base import Action, Handler, Outcome, Succeeded, shorten
from handlers.template import Template
from schemas import Event
from schemas.errors import printable

MESSAGE_LIMIT = 10_000  # characters; Application Insights keeps 32,768 of a trace ("Application Insights limits")

_logger = logging.getLogger("mlevents.log")


class Log(Handler[Event]):
    """Write a line to the logger ``mlevents.log``."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    message: Template = Template(
        "{{ eventType }} {{ object }}{% if data.runStatus is defined %} {{ data.runStatus }}{% endif %}"
        " in {{ workspace.name }} (event {{ id }})"
    )

    def run(self, event: Event, action: Action) -> Outcome:
        """Write the line. Raises jinja2.TemplateError."""
        line = self._line(event)
        _logger.log(logging.getLevelNamesMapping()[self.level.upper()], "%s", line)
        return Succeeded(line)

    def plan(self, event: Event) -> str:
        """The level and the line."""
        return f"log {self.level}: {self._line(event)}"

    def _line(self, event: Event) -> str:
        return printable(shorten(self.message.render(event).strip(), MESSAGE_LIMIT))
