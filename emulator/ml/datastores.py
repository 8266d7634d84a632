"""The default datastore of a workspace, for clients that upload with its own credentials, to the storage emulator.

azure-ai-ml does so with the build context of an environment and with local data. It takes a datastore's account for the
first part of a host's name, which an emulator has not: the datastore here names an account such that the client's URL
leads to the stand-in, which passes on what comes there, signature and all.
"""

from datetime import timedelta

import aiohttp
from aiohttp import web

from emulator.http.request import Request
from emulator.http.response import Response
from emulator.http.routing import at_workspace
from emulator.ml import versions
from emulator.state.state import State
from emulator.state.storage_account import ACCOUNT, signed_container

PATH = f"/{ACCOUNT}/{{path:.*}}"  # of what is passed on

_HOP_BY_HOP = frozenset({"connection", "content-encoding", "content-length", "date", "host", "transfer-encoding"})


def _list_secrets(request: Request) -> Response:
    """A signature for the datastore's container."""
    request.body("datastore_secrets")
    container = str(request.state.require(request.id).properties["containerName"])
    _, signature = signed_container(request.state.storage, container, timedelta(hours=1))
    return Response(200, {"secretsType": "Sas", "sasToken": signature})


def emulator_url(state: State) -> str:
    """Where blobs are, from the connection string; the emulator's usual place if that does not say."""
    parts = dict(part.partition("=")[::2] for part in state.storage.split(";"))
    return parts.get("BlobEndpoint", f"http://127.0.0.1:10000/{ACCOUNT}").removesuffix(f"/{ACCOUNT}")


async def forward(request: web.Request, state: State, client: aiohttp.ClientSession) -> web.Response:
    """What the emulator answers to a request."""
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
    url = f"{emulator_url(state)}{request.raw_path}"
    async with client.request(request.method, url, headers=headers, data=await request.read()) as answer:
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        return web.Response(status=answer.status, headers=kept, body=await answer.read())


ROUTES = at_workspace("datastores/{datastore}", versions.ASSETS, {"POST": _list_secrets}, action="listSecrets")
