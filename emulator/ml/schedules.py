"""Schedules of a workspace. They are listed, and start no job by themselves: learn.microsoft.com/rest/api/azureml."""

from emulator.http.request import Request
from emulator.http.response import Response
from emulator.http.routing import at_workspace
from emulator.ml import versions

KIND = "schedules"


def _list(request: Request) -> Response:
    """Enabled schedules; with listViewType All also the others."""
    view = request.query.get("listviewtype", "EnabledOnly").lower()
    found = request.state.children(request.scope, KIND)
    wanted = {"enabledonly": (True,), "disabledonly": (False,)}.get(view, (True, False))
    return request.page(one for one in found if bool(one.properties.get("isEnabled")) in wanted)


ROUTES = at_workspace(KIND, versions.LATER_ASSETS, {"GET": _list})
