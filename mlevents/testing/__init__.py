"""For authors of handlers: tests without Azure, a network, or pauses. See
docs/handlers/writing-a-handler.md.

A real event is `RunStatusChanged.example(run_status="Failed")`; every event type has one.
"""

from mlevents.testing.mailbox import mailbox
from mlevents.testing.runs import Call, Ended, run_handler, run_rules
from mlevents.testing.server import Answer, RecordingServer, Request

__all__ = ["Answer", "Call", "Ended", "RecordingServer", "Request", "mailbox", "run_handler", "run_rules"]
