"""The messages of the Functions host, as plain Python classes.

Azure's host and worker exchange protobuf messages (Azure/azure-functions-language-worker-protobuf, FunctionRpc.proto).
azure-functions-runtime does not import them: it gets a module with these names as a parameter, and only reads and sets
fields. So neither protobuf nor gRPC is needed here.
"""

from typing import Any


class Message:
    """A message with the given fields. As in protobuf, reading another field is no error: it is None."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None


class OneOf:
    """A message with one field set, which `WhichOneof` names. Other names raise: the runtime probes for them."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)
        self._which = next((name for name in fields if name != "name"), None)

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's name
        """The name of the field that is set."""
        return self._which


class TypedData(OneOf):
    """A parameter's or a result's value: ``string``, ``bytes``, ``json`` …"""


class ParameterBinding(OneOf):
    """A parameter's `name` and its value, ``data``."""


class StatusResult(Message):
    """How a request ended."""

    Failure, Success, Cancelled = 0, 1, 2


class BindingInfo(Message):
    """A binding's type, data type and direction (`in` is a keyword of Python: set below)."""

    undefined, string, binary, stream = 0, 1, 2, 3
    out, inout = 1, 2


setattr(BindingInfo, "in", 0)


class FunctionLoadResponse(Message):
    """Unused; the runtime refers to it."""


class FunctionEnvironmentReloadResponse(Message):
    """Unused; the runtime refers to it."""


class FunctionMetadataResponse(Message):
    """The functions of the app."""


class InvocationResponse(Message):
    """How a call ended."""


class RpcException(Message):
    """An exception's message and stack trace."""


class RpcFunctionMetadata(Message):
    """One function."""


class RpcHttp(Message):
    """An HTTP request or response."""


class SameSite:
    """When a browser sends a cookie with requests of other sites."""

    Lax, Strict, ExplicitNone = "Lax", "Strict", "None"


setattr(SameSite, "None", "")  # not set; `None` is a keyword of Python


class RpcHttpCookie(Message):
    """A cookie of an HTTP response."""

    SameSite = SameSite


class NullableString(Message):
    """A text that may be missing."""


class NullableBool(Message):
    """A truth value that may be missing."""


class NullableDouble(Message):
    """A number that may be missing."""


class Timestamp(Message):
    """Seconds since 1970, in UTC."""


class NullableTimestamp(Message):
    """A time that may be missing."""


class RpcRetryOptions(Message):
    """A function's retry policy."""


class WorkerInitResponse(Message):
    """How indexing ended."""


class WorkerMetadata(Message):
    """The worker's version."""
