"""Uploads to a workspace's default datastore, with a signature of that datastore's account.

azure-ai-ml uploads the build context of an environment and local data this way. It builds the host name from the
datastore's account name, and Azurite's URLs have no account in the host: the account name here makes that URL lead to
the emulator, which forwards the request, signature included.
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

PATH = f"/{ACCOUNT}/{{path:.*}}"  # of requests to forward

_HOP_BY_HOP = frozenset({"connection", "content-encoding", "content-length", "date", "host", "transfer-encoding"})


def _list_secrets(request: Request) -> Response:
    """A signature for the datastore's container."""
    request.body("datastore_secrets")
    container = str(request.state.require(request.id).properties["containerName"])
    _, signature = signed_container(request.state.storage, container, timedelta(hours=1))
    return Response(200, {"secretsType": "Sas", "sasToken": signature})


def blob_url(state: State) -> str:
    """The URL of the blob service in the connection string, or else Azurite's default."""
    parts = dict(part.partition("=")[::2] for part in state.storage.split(";"))
    return parts.get("BlobEndpoint", f"http://127.0.0.1:10000/{ACCOUNT}").removesuffix(f"/{ACCOUNT}")


async def forward(request: web.Request, state: State, client: aiohttp.ClientSession) -> web.Response:
    """Forward a request to the blob service, and return its response."""
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
    url = f"{blob_url(state)}{request.raw_path}"
    async with client.request(request.method, url, headers=headers, data=await request.read()) as answer:
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        return web.Response(status=answer.status, headers=kept, body=await answer.read())


ROUTES = at_workspace("datastores/{datastore}", versions.ASSETS, {"POST": _list_secrets}, action="listSecrets")
