"""Resources of Azure ML as plain data. Shapes: learn.microsoft.com/rest/api/azureml, api-version 2025-12-01."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from schemas import WorkspaceId

SUCCEEDED, DELETING = "Succeeded", "Deleting"
ENDED_BADLY = ("Failed", "Canceled")
NO_CODE = ("mlflow_model", "triton_model")  # learn.microsoft.com, "Deploy models for scoring": these types need no code

DOTS = frozenset({".", ".."})  # no names: in a URL's path, they address another resource

_REGISTRY_MODEL = re.compile(r"azureml://registries/([^/]+)/models/([^/]+)/versions/([^/]+)", re.IGNORECASE)
_WORKSPACE_MODEL = re.compile(r"(?:azureml:)?(/subscriptions/.+?)/models/([^/]+)/versions/([^/]+)", re.IGNORECASE)
_SHORT_MODEL = re.compile(r"azureml:([^:/@]+):([^:/@]+)", re.IGNORECASE)
_READ_ONLY = ("provisioningState", "scoringUri", "swaggerUri")
_STATES = {  # types.md of 2025-12-01, EndpointProvisioningState and DeploymentProvisioningState
    state.casefold(): state for state in (SUCCEEDED, DELETING, *ENDED_BADLY, "Creating", "Updating", "Scaling")
}


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A reference to a model version, in a registry if `registry` is set, else in a workspace."""

    name: str
    version: str
    registry: str = ""
    workspace: str = ""  # ARM id

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the id of a model version. Raises ValueError for any other text."""
        if not DOTS.isdisjoint(text.split("/")):
            raise ValueError(f"{text!r} is not the id of a model version: a name cannot consist of dots")
        if match := _REGISTRY_MODEL.fullmatch(text):
            registry, name, version = match.groups()
            return cls(name, version, registry=registry)
        if match := _WORKSPACE_MODEL.fullmatch(text):
            workspace, name, version = match.groups()
            return cls(name, version, workspace=str(WorkspaceId.parse(workspace)))
        raise ValueError(f"{text!r} is not the id of a model version; write azureml://registries/…/models/…/versions/…")

    @property
    def model_id(self) -> str:
        """The id of the model, without the version."""
        home = f"azureml://registries/{self.registry}" if self.registry else self.workspace
        return f"{home}/models/{self.name}"

    @property
    def id(self) -> str:
        """The id of the model version, as a deployment names it."""
        return f"{self.model_id}/versions/{self.version}"

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model version."""

    ref: ModelRef
    type: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None

    @property
    def needs_code(self) -> bool:
        """Does a deployment need an environment and a scoring script?"""
        return self.type.casefold() not in NO_CODE


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint. In a batch endpoint, the default deployment counts as the one with all the traffic."""

    name: str
    state: str
    traffic: Mapping[str, int]
    mirrored: Mapping[str, int] = field(default_factory=dict)
    scoring_uri: str = ""
    auth: str = ""  # AADToken, Key or AMLToken
    compute: str = ""  # the Kubernetes cluster; empty if managed
    operation: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def online(cls, body: Mapping[str, Any]) -> Self:
        """Read an online endpoint from the body of a response."""
        return cls._of(body, traffic=_shares(body["properties"].get("traffic")))

    @classmethod
    def batch(cls, body: Mapping[str, Any]) -> Self:
        """Read a batch endpoint from the body of a response."""
        default = (body["properties"].get("defaults") or {}).get("deploymentName")
        return cls._of(body, traffic={default: 100} if default else {})

    @classmethod
    def _of(cls, body: Mapping[str, Any], traffic: Mapping[str, int]) -> Self:
        properties = body["properties"]
        return cls(
            name=str(body.get("name", "")),
            state=state_of(properties),
            traffic=traffic,
            mirrored=_shares(properties.get("mirrorTraffic")),
            scoring_uri=str(properties.get("scoringUri") or ""),
            auth=str(properties.get("authMode") or ""),
            compute=str(properties.get("compute") or ""),
            operation=_operation(properties),
            tags=dict(body.get("tags") or {}),
            body=body,
        )

    def writable(self, **properties: Any) -> dict[str, Any]:
        """The body for a PUT: everything that was read and can be written, with changed properties."""
        kept = {name: value for name, value in self.body["properties"].items() if name not in _READ_ONLY} | properties
        body = {name: self.body.get(name) for name in ("location", "tags", "kind", "sku")}
        body |= {"identity": _identity(self.body.get("identity")), "properties": _present(kept)}
        return _present(body)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment of an endpoint."""

    name: str
    state: str
    model: str = ""  # its id
    workspace: str = ""  # ARM id of its workspace
    tags: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None
    operation: str = ""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Read an online or a batch deployment from the body of a response."""
        properties = body["properties"]
        model = properties.get("model") or ""
        return cls(
            name=str(body.get("name", "")),
            state=state_of(properties),
            model=str(model.get("assetId") or "" if isinstance(model, Mapping) else model),
            workspace=_workspace(str(body.get("id") or "")),
            tags=dict(body.get("tags") or {}),
            created=_time((body.get("systemData") or {}).get("createdAt")),
            operation=_operation(properties),
        )

    @property
    def ref(self) -> ModelRef | None:
        """The model version that it serves; None if its id has an unknown form."""
        if self.workspace and (match := _SHORT_MODEL.fullmatch(self.model)):
            return ModelRef(match[1], match[2], workspace=self.workspace)
        try:
            return ModelRef.parse(self.model)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class NewDeployment:
    """A deployment to create."""

    endpoint: str
    name: str
    model: str  # its id
    tags: Mapping[str, str]
    environment: str = ""  # the version that `latest` stands for; empty: as the settings name it


@dataclass(frozen=True, slots=True)
class Answer:
    """The response of an endpoint; status 0 if there was none."""

    status: int
    text: str


def state_of(properties: Mapping[str, Any]) -> str:
    """The provisioning state, in the schema's spelling; empty if there is none."""
    state = str(properties.get("provisioningState") or "")
    return _STATES.get(state.casefold(), state)


def _workspace(id: str) -> str:
    """The ARM id of the workspace of a resource; empty if it is in none."""
    try:
        return str(WorkspaceId.parse("/".join(id.split("/")[:9])))
    except ValueError:
        return ""


def _shares(traffic: Mapping[str, Any] | None) -> dict[str, int]:
    return {name: int(share) for name, share in (traffic or {}).items() if share}


def _operation(properties: Mapping[str, Any]) -> str:
    """The URL of the last operation, which the service keeps in the properties (see Azure/azure-cli#30154)."""
    return str((properties.get("properties") or {}).get("AzureAsyncOperationUri") or "")


def _identity(identity: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not identity:
        return None
    users: dict[str, Any] = {id: {} for id in identity.get("userAssignedIdentities") or ()}
    return {"type": identity["type"], **({"userAssignedIdentities": users} if users else {})}


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without nulls: the service returns nulls that it does not accept."""
    return {name: value for name, value in values.items() if value is not None}


def _time(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC) if moment else None
