"""The messages of the Functions host, as plain Python classes.

Azure's host and worker exchange protobuf messages (Azure/azure-functions-language-worker-protobuf, FunctionRpc.proto).
azure-functions-runtime does not import them: it uses whatever it is handed under these names, and only as bags of
fields. So neither protobuf nor gRPC is needed here.
"""

from typing import Any


class Message:
    """A message: the fields that it was made with; as in protobuf, reading any other gives nothing, not an error."""

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
    """A value on its way in or out: ``string``, ``bytes``, ``json`` ..."""


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
    """Unused here; the runtime's module names it."""


class FunctionEnvironmentReloadResponse(Message):
    """Unused here; the runtime's module names it."""


class FunctionMetadataResponse(Message):
    """The functions that were found."""


class InvocationResponse(Message):
    """How a call ended."""


class RpcException(Message):
    """An exception's message and stack trace."""


class RpcFunctionMetadata(Message):
    """One function."""


class RpcHttp(Message):
    """An HTTP answer."""


class RpcHttpCookie(Message):
    """A cookie of one."""


class RpcRetryOptions(Message):
    """A function's retry policy."""


class WorkerInitResponse(Message):
    """How indexing ended."""


class WorkerMetadata(Message):
    """Which worker answered."""
