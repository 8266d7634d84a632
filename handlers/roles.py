"""`Role`: what the app's identity must be permitted to do, so that a handler's requests succeed.

The ids of Azure's roles are those of learn.microsoft.com, "Azure built-in roles"; of Synapse's, those that
``az synapse role definition list`` prints.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Scope(StrEnum):
    """The kind of resource on which a role is assigned."""

    WORKSPACE = "Azure ML workspace"
    REGISTRY = "Azure ML registry"
    WORKSPACE_STORAGE = "storage account of an Azure ML workspace"
    SUBSCRIPTION = "subscription"
    DATA_FACTORY = "data factory"
    SYNAPSE_WORKSPACE = "Synapse workspace"
    COMMUNICATION_SERVICE = "Communication Services resource"
    EVENT_GRID = "Event Grid topic or namespace"
    EVENT_HUB = "event hub"
    SERVICE_BUS = "Service Bus queue or topic"
    STORAGE_QUEUE = "storage queue"
    STORAGE_TABLE = "storage table"
    BLOB_CONTAINER = "blob container"
    APPLICATION_INSIGHTS = "Application Insights resource"


@dataclass(frozen=True, slots=True)
class Role:
    """A role for the app's identity. `where` names the resource, of the kind `scope`; `purpose` says what it is for.

    An optional role is needed by some rules only, or makes results better. A role on a Synapse workspace is assigned
    in that workspace, and not by Azure Resource Manager.
    """

    name: str
    id: str
    scope: Scope
    where: str
    purpose: str = ""
    optional: bool = False

    def needed_for(self, purpose: str, where: str = "", *, optional: bool = False) -> "Role":
        """This role, as one handler needs it."""
        return replace(self, purpose=purpose, where=where or self.where, optional=optional)


AZUREML_DATA_SCIENTIST = Role(
    "AzureML Data Scientist", "f6c7c914-8db3-469d-8ca1-694a8f32e121", Scope.WORKSPACE, "the workspace"
)
AZUREML_REGISTRY_USER = Role(
    "AzureML Registry User", "1823dd4f-9b8c-4ab6-ab4e-7397a3684615", Scope.REGISTRY, "the registry"
)
STORAGE_BLOB_DATA_CONTRIBUTOR = Role(
    *("Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"),
    *(Scope.WORKSPACE_STORAGE, "the workspace's storage account"),
)
READER = Role("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7", Scope.SUBSCRIPTION, "the subscription")
WORKSPACE_READER = replace(READER, scope=Scope.WORKSPACE, where="the workspace")
REGISTRY_READER = replace(READER, scope=Scope.REGISTRY, where="the registry")
MONITORING_READER = Role(
    "Monitoring Reader", "43d0d8ad-25c7-4714-9337-8ba259a9fe05", Scope.WORKSPACE, "the workspace where it deploys"
)
DATA_FACTORY_CONTRIBUTOR = Role(
    "Data Factory Contributor", "673868aa-7521-48a0-acc6-0f60742d39f5", Scope.DATA_FACTORY, "the factory"
)
COMMUNICATION_AND_EMAIL_SERVICE_OWNER = Role(
    *("Communication and Email Service Owner", "09976791-48a7-449e-bb21-39d1a415f350"),
    *(Scope.COMMUNICATION_SERVICE, "the Communication Services resource"),
)
SYNAPSE_ARTIFACT_USER = Role(
    "Synapse Artifact User", "53faaa0e-40b6-40c8-a2ff-e38f2d388875", Scope.SYNAPSE_WORKSPACE, "the workspace"
)
SYNAPSE_COMPUTE_OPERATOR = Role(
    *("Synapse Compute Operator", "e3844cc7-4670-42cb-9349-9bdac1ee7881"),
    *(Scope.SYNAPSE_WORKSPACE, "the workspace, or the integration runtimes"),
)
SYNAPSE_CREDENTIAL_USER = Role(
    *("Synapse Credential User", "5eb298b4-692c-4241-9cf0-f58a3b42bb25"),
    *(Scope.SYNAPSE_WORKSPACE, "the credential WorkspaceSystemIdentity"),
)
