"""``python -m mlevents.testing``: a service for trying handlers, which prints each request and answers 200."""

import sys
from contextlib import suppress
from threading import Event

from emulator.ports import PortTaken
from mlevents.console import Console
from mlevents.testing.server import Answer, RecordingServer, Request

PORT = 8090


def main(console: Console, port: int = PORT, end: Event | None = None) -> int:
    """Print requests until Ctrl-C, or until `end` is set; returns the exit code of the process."""

    def printed(request: Request) -> Answer:
        console.print(f"{request.method} {request.path} {request.body.decode(errors='replace')}", "success")
        return Answer()

    try:
        with RecordingServer(printed, port=port) as server, suppress(KeyboardInterrupt):
            console.print(f"Requests to {server.url()} are printed here. Ctrl-C stops it.")
            (end or Event()).wait()
    except PortTaken as error:
        console.print(str(error), "error")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Console(sys.stdout, remember=0)))
