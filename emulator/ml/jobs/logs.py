"""The logs of runs, in a blob container: URLs with a signature, as in the details of a run, and the blobs themselves.

learn.microsoft.com/rest/api/storageservices, "Get Blob" and "Specifying the range header for Blob service operations":
a range begins at a position, and one beyond the end is an error (416). A token beside the signature is refused.
"""

import re
from collections.abc import Mapping

from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import Plane, Route
from emulator.state.job_plan import Ending
from emulator.state.runs import Run
from emulator.state.state import State

LOG = "user_logs/std_log.txt"  # azure-ai-ml, constants/_job/job.py, JobLogPattern
_SIGNATURE = "sig=emulated"
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def write(run: Run, ending: Ending | None) -> None:
    """Write the log of a run that ends: as planned, or else a short one with the error."""
    started = [f"Starting {run.display_name} in the experiment {run.experiment}"]
    if ending and ending.status == "Failed":
        error = ending.error.message if ending.error else "unknown"
        trace = ["Traceback (most recent call last):", '  File "main.py", line 41, in <module>', "    main()", error]
        run.logs[LOG] = ending.log or "\n".join([*started, *trace, ""])
    else:
        run.logs[LOG] = "\n".join([*started, "Done", ""])


def urls(state: State, run: Run) -> Mapping[str, str]:
    """The URLs of a run's logs, by file."""
    number = state.require(run.workspace).properties["workspaceId"]
    base = f"{state.url}/blobs/{number}/dcid.{run.id}"
    return {file: f"{base}/{file}?sv=2024-11-04&sr=b&sp=r&{_SIGNATURE}" for file in run.logs}


def _get(request: Request) -> Response:
    if "authorization" in request.headers:
        raise ErrorResponse(401, "InvalidAuthenticationInfo", "The audience of the token is not Azure Storage.")
    if f"sig={request.query.get('sig')}" != _SIGNATURE:
        raise ErrorResponse(403, "AuthenticationFailed", "The request has no valid signature.")
    content = _content(request).encode()
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if not found:
        return Response(200, content)
    first, last = int(found[1]), int(found[2] or len(content))
    if first >= len(content):
        raise ErrorResponse(416, "InvalidRange", "The range is beyond the end of the blob.")
    part = content[first : last + 1]
    return Response(206, part, {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(content)}"})


def _content(request: Request) -> str:
    number, id = request.params["number"], request.params["container"].removeprefix("dcid.")
    for run in request.state.runs.values():
        if run.id == id and request.state.require(run.workspace).properties["workspaceId"] == number:
            file = f"{request.params['folder']}/{request.params['file']}"
            if (text := run.logs.get(file)) is not None:
                return text
    raise ErrorResponse(404, "BlobNotFound", "The specified blob does not exist.")


ROUTES = (Route("GET", "/blobs/{number}/{container}/{folder}/{file}", _get, frozenset(), Plane.OWN),)
