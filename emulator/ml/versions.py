"""The api-versions that Microsoft has published, by resource type.

From the folders of Azure/bicep-types-az, generated/machinelearningservices/microsoft.machinelearningservices, and, for
types that came later, "Other available API versions" on the pages of the azure-native provider (pulumi.com).
"""

_ASSETS_FROM = "2021-03-01-preview"
_REGISTRIES_FROM = "2022-10-01-preview"

_OLD = (
    "2018-11-19",
    "2019-05-01",
    "2019-06-01",
    "2019-11-01",
    "2020-01-01",
    "2020-02-18-preview",
    "2020-03-01",
    "2020-04-01",
    "2020-05-01-preview",
    "2020-05-15-preview",
    "2020-06-01",
    "2020-08-01",
    "2020-09-01-preview",
    "2021-01-01",
    "2021-04-01",
    "2021-07-01",
    "2022-01-01-preview",
)
_NEW = (
    _ASSETS_FROM,
    "2022-02-01-preview",
    "2022-05-01",
    "2022-06-01-preview",
    "2022-10-01",
    _REGISTRIES_FROM,
    "2022-12-01-preview",
    "2023-02-01-preview",
    "2023-04-01",
    "2023-04-01-preview",
    "2023-06-01-preview",
    "2023-08-01-preview",
    "2023-10-01",
    "2024-01-01-preview",
    "2024-04-01",
    "2024-04-01-preview",
    "2024-07-01-preview",
    "2024-10-01",
    "2024-10-01-preview",
    "2025-01-01-preview",
    "2025-04-01",
    "2025-04-01-preview",
    "2025-06-01",
    "2025-07-01-preview",
    "2025-09-01",
    "2025-10-01-preview",
    "2025-12-01",
)

WORKSPACE = frozenset(_OLD + _NEW)  # workspaces, computes, usages, quotas, machine sizes
ASSETS = frozenset(_NEW)  # endpoints, deployments, models, environments, code, datastores, operations
LATER_ASSETS = ASSETS - {_ASSETS_FROM}  # data and components, which have other names in the first one
REGISTRY = frozenset(v for v in _NEW if v >= _REGISTRIES_FROM)
DATA_PLANE = frozenset({"2021-10-01-dataplanepreview"})  # of registries, on the host from discovery
UPLOADS = frozenset(v for v in _NEW if v >= "2023-02-01-preview")  # startPendingUpload
