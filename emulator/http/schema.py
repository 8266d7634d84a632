"""The bodies that the service takes: members, types, enumerations.

Condensed from Azure/azure-rest-api-specs, specification/machinelearningservices (TypeSpec, api-version 2025-12-01; the
same in Azure/bicep-types-az, generated/machinelearningservices/.../2025-12-01/types.md), with what older versions had
and the client still sends. The service lets most unknown members pass; here they are refused, as misspellings.
"""

from emulator.http.response import ErrorResponse
from emulator.http.shapes import (
    Anything,
    Flag,
    ListOf,
    MapOf,
    Members,
    Number,
    OneOf,
    Scalar,
    Shape,
    Span,
    Text,
    Variant,
    Whole,
)

TEXT, TEXTS = Text(), MapOf(Text())
NAMED = Text(least=1)
ENABLED = OneOf(("Enabled", "Disabled"))

IDENTITY = Members(
    required={"type": OneOf(("None", "SystemAssigned", "UserAssigned", "SystemAssigned,UserAssigned"))},
    optional={"userAssignedIdentities": MapOf(Anything())},
    readonly=frozenset({"principalId", "tenantId"}),
)
SKU = Members(
    required={"name": NAMED},
    optional={
        "tier": OneOf(("Free", "Basic", "Standard", "Premium")),
        "size": TEXT,
        "family": TEXT,
        "capacity": Whole(least=0),
    },
)


def _tracked(properties: Shape) -> Members:
    """A resource that has a location."""
    return Members(
        required={"location": NAMED, "properties": properties},
        optional={"tags": TEXTS, "identity": IDENTITY, "kind": TEXT, "sku": SKU},
        readonly=frozenset({"id", "name", "type", "systemData"}),
    )


def _proxy(properties: Shape) -> Members:
    """A resource that has none."""
    return Members(required={"properties": properties}, readonly=frozenset({"id", "name", "type", "systemData"}))


ENDPOINT_BASE = Members(
    required={"authMode": OneOf(("AMLToken", "Key", "AADToken"))},
    optional={
        "description": TEXT,
        "keys": Members(optional={"primaryKey": TEXT, "secondaryKey": TEXT}),
        "properties": TEXTS,
    },
    readonly=frozenset({"scoringUri", "swaggerUri", "provisioningState"}),
)
ONLINE_ENDPOINT = _tracked(
    ENDPOINT_BASE.plus(
        optional={
            "compute": TEXT,
            "mirrorTraffic": MapOf(Whole()),
            "publicNetworkAccess": ENABLED,
            "traffic": MapOf(Whole()),
        }
    )
)
BATCH_ENDPOINT = _tracked(ENDPOINT_BASE.plus(optional={"defaults": Members(optional={"deploymentName": TEXT})}))

CODE = Members(required={"scoringScript": NAMED}, optional={"codeId": TEXT})
DEPLOYMENT_BASE = Members(
    optional={
        "codeConfiguration": CODE,
        "description": TEXT,
        "environmentId": TEXT,
        "environmentVariables": TEXTS,
        "properties": TEXTS,
    },
    readonly=frozenset({"provisioningState"}),
)
_PROBE = Members(
    optional={
        "failureThreshold": Whole(),
        "initialDelay": Span(),
        "period": Span(),
        "successThreshold": Whole(),
        "timeout": Span(),
    }
)
_REQUESTS = Members(
    optional={"maxConcurrentRequestsPerInstance": Whole(), "maxQueueWait": Span(), "requestTimeout": Span()}
)
_SCALE = Variant(
    "scaleType",
    {
        "Default": Members(required={"scaleType": TEXT}),
        "TargetUtilization": Members(
            required={"scaleType": TEXT},
            optional={
                "maxInstances": Whole(),
                "minInstances": Whole(),
                "pollingInterval": Span(),
                "targetUtilizationPercentage": Whole(),
            },
        ),
    },
)
_COLLECTION = Members(
    optional={"clientId": TEXT, "dataCollectionMode": ENABLED, "dataId": TEXT, "samplingRate": Number()}
)
_COLLECTOR = Members(
    required={"collections": MapOf(_COLLECTION)},
    optional={
        "requestLogging": Members(optional={"captureHeaders": ListOf(TEXT)}),
        "rollingRate": OneOf(("Year", "Month", "Day", "Hour", "Minute")),
    },
)
_ONLINE = DEPLOYMENT_BASE.plus(
    required={"endpointComputeType": NAMED},
    optional={
        "appInsightsEnabled": Flag(),
        "dataCollector": _COLLECTOR,
        "egressPublicNetworkAccess": ENABLED,
        "instanceType": TEXT,
        "livenessProbe": _PROBE,
        "model": TEXT,
        "modelMountPath": TEXT,
        "readinessProbe": _PROBE,
        "requestSettings": _REQUESTS,
        "scaleSettings": _SCALE,
        "startupProbe": _PROBE,
    },
)
_CONTAINER = Members(optional={"cpu": TEXT, "gpu": TEXT, "memory": TEXT})
_CONTAINERS = Members(optional={"containerResourceLimits": _CONTAINER, "containerResourceRequests": _CONTAINER})
ONLINE_DEPLOYMENT = _tracked(
    Variant(
        "endpointComputeType",
        {"Managed": _ONLINE, "Kubernetes": _ONLINE.plus(optional={"containerResourceRequirements": _CONTAINERS})},
    )
)
LOGS = Members(optional={"containerType": OneOf(("StorageInitializer", "InferenceServer")), "tail": Whole(least=1)})

_REFERENCE = Variant(
    "referenceType",
    {
        "Id": Members(required={"referenceType": TEXT, "assetId": NAMED}),
        "DataPath": Members(required={"referenceType": TEXT}, optional={"datastoreId": TEXT, "path": TEXT}),
        "OutputPath": Members(required={"referenceType": TEXT}, optional={"jobId": TEXT, "path": TEXT}),
    },
)
_CONFIGURATION = Variant(
    "deploymentConfigurationType",
    {
        "Model": Members(required={"deploymentConfigurationType": TEXT}),
        "PipelineComponent": Members(
            required={"deploymentConfigurationType": TEXT},
            optional={"componentId": _REFERENCE, "description": TEXT, "settings": TEXTS, "tags": TEXTS},
        ),
    },
)
BATCH_DEPLOYMENT = _tracked(
    DEPLOYMENT_BASE.plus(
        optional={
            "compute": TEXT,
            "deploymentConfiguration": _CONFIGURATION,
            "errorThreshold": Whole(),
            "loggingLevel": OneOf(("Info", "Warning", "Debug")),
            "maxConcurrencyPerInstance": Whole(),
            "miniBatchSize": Whole(),
            "model": _REFERENCE,
            "outputAction": OneOf(("SummaryOnly", "AppendRow")),
            "outputFileName": TEXT,
            "resources": Members(
                optional={"instanceCount": Whole(), "instanceType": TEXT, "properties": MapOf(Anything())}
            ),
            "retrySettings": Members(optional={"maxRetries": Whole(), "timeout": Span()}),
        }
    )
)

_ASSET = Members(
    optional={
        "description": TEXT,
        "isAnonymous": Flag(),
        "isArchived": Flag(),
        "properties": MapOf(Scalar()),
        "tags": TEXTS,
        "autoDeleteSetting": Anything(),
    },
    readonly=frozenset({"provisioningState"}),
)
_ROUTE = Members(required={"path": NAMED, "port": Whole(least=1, most=65535)})
CONTAINER = _proxy(
    Members(
        optional={"description": TEXT, "isArchived": Flag(), "properties": TEXTS, "tags": TEXTS, "dataType": TEXT},
        readonly=frozenset({"latestVersion", "nextVersion", "provisioningState"}),
    )
)
MODEL = _proxy(
    _ASSET.plus(
        optional={
            "flavors": MapOf(Members(optional={"data": TEXTS})),
            "jobName": TEXT,
            "modelType": TEXT,
            "modelUri": TEXT,
            "stage": TEXT,
            "datasets": ListOf(Anything()),
        }
    )
)
ENVIRONMENT = _proxy(
    _ASSET.plus(
        optional={
            "autoRebuild": OneOf(("Disabled", "OnBaseImageUpdate")),
            "build": Members(required={"contextUri": NAMED}, optional={"dockerfilePath": TEXT}),
            "condaFile": TEXT,
            "image": TEXT,
            "inferenceConfig": Members(
                optional={
                    "livenessRoute": _ROUTE,
                    "readinessRoute": _ROUTE,
                    "scoringRoute": _ROUTE,
                    "startupRoute": _ROUTE,
                }
            ),
            "osType": OneOf(("Linux", "Windows")),
            "stage": TEXT,
        }
    )
)
CODE_VERSION = _proxy(_ASSET.plus(optional={"codeUri": TEXT}))
DATA = _proxy(
    _ASSET.plus(
        required={"dataType": OneOf(("uri_file", "uri_folder", "mltable")), "dataUri": NAMED},
        optional={"stage": TEXT, "referencedUris": ListOf(TEXT)},
    )
)
COMPONENT = _proxy(_ASSET.plus(optional={"componentSpec": Anything(), "stage": TEXT}))
PENDING_UPLOAD = Members(
    optional={"pendingUploadId": TEXT, "pendingUploadType": OneOf(("None", "TemporaryBlobReference"))}
)
# Only tags and identity of an endpoint can be patched (PartialMinimalTrackedResourceWithIdentity).
PATCH = Members(optional={"tags": TEXTS, "identity": IDENTITY})


def validate(body: object, shape: Shape) -> None:
    """Raises ErrorResponse, with every problem as a detail and the first in its message."""
    problems = [f"{where or 'the body'} {what}" for where, what in shape.problems(body, "")]
    if problems:
        raise ErrorResponse(
            400,
            "ValidationError",
            f"The request is invalid: {problems[0]}.",
            details=[{"code": "InvalidParameter", "message": problem} for problem in problems],
        )
