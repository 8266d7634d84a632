"""References to versions of assets, and the version that the label ``latest`` stands for."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from azure.core.exceptions import ResourceNotFoundError

from handlers.azure.errors import translated_errors
from handlers.azure.ml.resources import DOTS
from handlers.base import RetryLater
from handlers.errors import PROPAGATION
from schemas import WorkspaceId

if TYPE_CHECKING:
    from handlers.azure.ml.workspace import AzureML

LATEST = "latest"  # the only label that azure-ai-ml resolves (azure/ai/ml/_utils/_asset_utils.py)

_NOUNS = {  # by the name in ids
    "environments": "an environment",
    "codes": "a code asset",
    "data": "a data asset",
    "models": "a model",
    "components": "a component",
}
_SHORT = re.compile(r"(?:azureml:|(?!azureml:))([A-Za-z0-9][\w.-]{0,254})(?::([\w.+-]+)|@([\w.-]+))")
_TAIL = r"(\w+)/([^/:@]+)/(versions|labels)/([^/:@]+)"
_IN_WORKSPACE = re.compile(rf"(?:azureml:)?(/subscriptions/[^@]+?/workspaces/[^/]+)/{_TAIL}", re.IGNORECASE)
_IN_REGISTRY = re.compile(rf"azureml://registries/([^/]+)/{_TAIL}", re.IGNORECASE)
_INPUT_ID = re.compile(
    r"(?:azureml://registries/[^/]+|(?:azureml:)?/subscriptions/[^@]+?/workspaces/[^/]+)"
    r"/(data|models)/[^/]+/(?:versions|labels)/[^/]+",
    re.IGNORECASE,
)
_SHORT_INPUT = re.compile("azureml:[^/:@]+(?:[:@][^/]*)?")  # not azureml:azureml://…, which azure-ai-ml takes, too
_CURATED = "AzureML-"  # the service itself reads the short names of these environments


@dataclass(frozen=True, slots=True)
class AssetRef:
    """A reference to one version of an asset: by its version, or by the label ``latest``."""

    kind: str  # as ids name it: environments, codes, data, models or components
    name: str
    version: str = ""  # empty for the latest one
    registry: str = ""
    workspace: str = ""  # ARM id; empty for the workspace in which the reference is used

    @classmethod
    def parse(cls, text: str, kind: str) -> Self:
        """Parse ``azureml:name:3``, ``azureml:name@latest``, an ARM id, or an id in a registry.

        Raises ValueError for any other text, for an asset of another kind, and for a label that cannot be resolved.
        """
        noun = _NOUNS[kind]
        registry = workspace = version = label = ""
        found_kind = kind
        if found := _IN_REGISTRY.fullmatch(text):
            registry, found_kind, name, by, last = found.groups()
            version, label = (last, "") if by.casefold() == "versions" else ("", last)
        elif found := _IN_WORKSPACE.fullmatch(text):
            id, found_kind, name, by, last = found.groups()
            workspace = str(WorkspaceId.parse(id))
            version, label = (last, "") if by.casefold() == "versions" else ("", last)
        elif found := _SHORT.fullmatch(text):
            name, version, label = found[1], found[2] or "", found[3] or ""
        else:
            raise ValueError(
                f"{text!r} does not name {noun} with its version: write azureml:name:3, or an id that ends in "
                f"/{kind}/name/versions/3"
            )
        if found_kind.casefold() != kind:
            raise ValueError(f"{text!r} names {_NOUNS.get(found_kind.casefold(), found_kind)}, not {noun}")
        if not DOTS.isdisjoint({name, version, registry}):
            raise ValueError(f"{text!r} does not name {noun}: a name cannot consist of dots")
        if label and kind == "codes":
            raise ValueError(f"{text!r}: code assets have no labels; write the version")
        if label not in ("", LATEST):
            raise ValueError(f"{text!r}: the only label is {LATEST}; or write the version")
        return cls(kind, name, version, registry, workspace)

    @property
    def id(self) -> str:
        """The reference as azure-ai-ml takes it."""
        where = f"azureml://registries/{self.registry}" if self.registry else self.workspace
        if not where:
            return f"azureml:{self.name}:{self.version}" if self.version else f"azureml:{self.name}@{LATEST}"
        last = f"versions/{self.version}" if self.version else f"labels/{LATEST}"
        return f"{where}/{self.kind}/{self.name}/{last}"

    @property
    def is_resolved(self) -> bool:
        """Does the reference name a version, or a curated environment, which the service resolves itself?"""
        return bool(self.version) or (self.kind == "environments" and self.name.startswith(_CURATED))

    def uri(self, workspace: str) -> str:
        """The id of the version, for a request in which nothing is resolved; `workspace` is the default one's id."""
        if self.registry:
            return self.id
        return f"{self.workspace or workspace}/{self.kind}/{self.name}/versions/{self.version}"

    def __str__(self) -> str:
        return f"{self.name}:{self.version}" if self.version else f"{self.name}@{LATEST}"


def input_asset(path: str, data_type: str) -> AssetRef | None:
    """The data asset or model that an input names by its path; None if the path is of another kind.

    A short name is of a model or of data according to the input's type, such as ``mlflow_model`` or ``uri_folder``.
    Raises ValueError for a name without version or label, and for a label that cannot be resolved.
    """
    if found := _INPUT_ID.fullmatch(path):
        return AssetRef.parse(path, found[1].casefold())
    if not _SHORT_INPUT.fullmatch(path):
        return None
    return AssetRef.parse(path, "models" if data_type.endswith("_model") else "data")


def resolve(azureml: "AzureML", ref: AssetRef) -> AssetRef:
    """The reference with the version that ``latest`` stands for now; unchanged if it names a version.

    Raises RetryLater if there is no such asset, and what the methods of `AzureML` raise.
    """
    if ref.is_resolved:
        return ref
    version = _latest_in_registry(azureml, ref) if ref.registry else _latest_in_workspace(azureml, ref)
    if not version:
        place = f"the registry {ref.registry}" if ref.registry else (ref.workspace or azureml.path).rpartition("/")[2]
        raise RetryLater(f"there is no {_noun(ref)} {ref} in {place}", max_elapsed=PROPAGATION)
    return replace(ref, version=version)


def _noun(ref: AssetRef) -> str:
    return _NOUNS[ref.kind].partition(" ")[2]


def _latest_in_workspace(azureml: "AzureML", ref: AssetRef) -> str:
    """As azure-ai-ml does it: the latest version of the container for data, and otherwise the newest in the list."""
    path = f"{ref.workspace or azureml.path}/{ref.kind}/{ref.name}"
    if ref.kind == "data":
        return str(((azureml.arm.get(path) or {}).get("properties") or {}).get("latestVersion") or "")
    page = azureml.arm.get(f"{path}/versions", {"$orderBy": "createdtime desc", "$top": "1"}) or {}
    newest: dict[str, Any] = next(iter(page.get("value") or ()), {})
    return str(newest.get("name") or "")


def _latest_in_registry(azureml: "AzureML", ref: AssetRef) -> str:
    with translated_errors():
        client = azureml.registry(ref.registry)
        from azure.ai.ml.exceptions import ValidationException

        operations: Any = getattr(client, ref.kind)
        try:
            return str(operations.get(ref.name, label=LATEST).version)
        except (ResourceNotFoundError, ValidationException):  # the latter if the list is empty
            return ""
