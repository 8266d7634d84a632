"""The bodies of jobs, and of the requests to batch endpoints: members, types, enumerations.

From the same source as schema.py, with what older api-versions had and the client still sends: Azure/bicep-types-az,
generated/machinelearningservices/.../2025-12-01/types.md, JobBaseProperties and its kinds. Of a batch endpoint's:
Azure/azure-rest-api-specs, 2020-09-01-dataplanepreview, BatchJob.
"""

from collections.abc import Mapping

from emulator.http.schema import NAMED, TEXT, TEXTS
from emulator.http.shapes import (
    Anything,
    Flag,
    ListOf,
    MapOf,
    Members,
    OneOf,
    Shape,
    Span,
    Text,
    Variant,
    Whole,
)

ASSETS = ("uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model")
_INPUT_MODE = OneOf(("ReadOnlyMount", "ReadWriteMount", "Download", "Direct", "EvalMount", "EvalDownload"))
_OUTPUT_MODE = OneOf(("ReadWriteMount", "Upload", "Direct"))

_ASSET_INPUT = Members(
    required={"jobInputType": TEXT, "uri": NAMED},
    optional={"description": TEXT, "mode": _INPUT_MODE, "pathOnCompute": TEXT},
)
_ASSET_OUTPUT = Members(
    required={"jobOutputType": TEXT},
    optional={
        "description": TEXT,
        "assetName": TEXT,
        "assetVersion": TEXT,
        "autoDeleteSetting": Anything(),
        "mode": _OUTPUT_MODE,
        "pathOnCompute": TEXT,
        "uri": TEXT,
    },
)
_LITERAL = Members(required={"jobInputType": TEXT, "value": Text()}, optional={"description": TEXT})
INPUTS = MapOf(Variant("jobInputType", {**dict.fromkeys(ASSETS, _ASSET_INPUT), "literal": _LITERAL}))
OUTPUTS = MapOf(Variant("jobOutputType", dict.fromkeys(ASSETS, _ASSET_OUTPUT)))

_NO_MEMBERS = Members(required={"identityType": TEXT})
_IDENTITY = Variant(
    "identityType",
    {
        "AMLToken": _NO_MEMBERS,
        "UserIdentity": _NO_MEMBERS,
        "Managed": Members(
            required={"identityType": TEXT}, optional={"clientId": TEXT, "objectId": TEXT, "resourceId": TEXT}
        ),
    },
)
_SERVICE = Members(
    optional={
        "endpoint": TEXT,
        "jobServiceType": TEXT,
        "nodes": Members(required={"nodesValueType": OneOf(("All",))}),
        "port": Whole(),
        "properties": TEXTS,
    },
    readonly=frozenset({"errorMessage", "status"}),
)
_NOTIFICATION = Members(
    optional={
        "emailOn": ListOf(OneOf(("JobCompleted", "JobFailed", "JobCancelled"))),
        "emails": ListOf(TEXT),
        "webhooks": MapOf(Anything()),
    }
)
_RESOURCES = Members(
    optional={
        "dockerArgs": TEXT,
        "dockerArgsList": ListOf(TEXT),
        "instanceCount": Whole(least=1),
        "instanceType": TEXT,
        "locations": ListOf(TEXT),
        "maxInstanceCount": Whole(),
        "properties": MapOf(Anything()),
        "shmSize": Text(pattern=r"^\d+[bBkKmMgG]$"),
    }
)
_DISTRIBUTION = Variant(
    "distributionType",
    {
        "PyTorch": Members(required={"distributionType": TEXT}, optional={"processCountPerInstance": Whole()}),
        "Mpi": Members(required={"distributionType": TEXT}, optional={"processCountPerInstance": Whole()}),
        "TensorFlow": Members(
            required={"distributionType": TEXT}, optional={"parameterServerCount": Whole(), "workerCount": Whole()}
        ),
    },
)
_QUEUE = Members(
    optional={"jobTier": OneOf(("Null", "Spot", "Basic", "Standard", "Premium")), "priority": Whole()},
)

_BASE = Members(
    required={"jobType": TEXT},
    optional={
        "componentId": TEXT,
        "computeId": TEXT,
        "description": TEXT,
        "displayName": TEXT,
        "experimentName": NAMED,
        "identity": _IDENTITY,
        "isArchived": Flag(),
        "notificationSetting": _NOTIFICATION,
        "parentJobName": TEXT,
        "properties": TEXTS,
        "secretsConfiguration": MapOf(Anything()),
        "services": MapOf(_SERVICE),
        "tags": TEXTS,
    },
    readonly=frozenset({"status"}),
)


def _kind(required: Mapping[str, Shape], optional: Mapping[str, Shape]) -> Members:
    return _BASE.plus(required, {"outputs": OUTPUTS, "queueSettings": _QUEUE, "resources": _RESOURCES, **optional})


# A node names the component that it runs, or is the beginning of one that the service makes of it.
_NODE = Anything()
_PIPELINE = _kind({}, {"inputs": INPUTS, "jobs": MapOf(_NODE), "settings": Anything(), "sourceJobId": TEXT})
_COMMAND = _kind(
    {"command": Text(pattern=r"\S"), "environmentId": Text(pattern=r"\S")},
    {
        "autologgerSettings": Anything(),
        "codeId": TEXT,
        "distribution": _DISTRIBUTION,
        "environmentVariables": TEXTS,
        "inputs": INPUTS,
        "limits": Members(required={"jobLimitsType": OneOf(("Command",))}, optional={"timeout": Span()}),
        "parameters": Anything(),
    },
)
_SWEEP = _kind(
    dict.fromkeys(("objective", "samplingAlgorithm", "searchSpace", "trial"), Anything()),
    {"earlyTermination": Anything(), "inputs": INPUTS, "limits": Anything(), "componentConfiguration": Anything()},
)
_SPARK = _kind(
    {"codeId": NAMED, "entry": Anything()},
    {
        **dict.fromkeys(("archives", "files", "jars", "pyFiles"), ListOf(TEXT)),
        "args": TEXT,
        "conf": TEXTS,
        "environmentId": TEXT,
        "environmentVariables": TEXTS,
        "inputs": INPUTS,
    },
)
_AUTOML = _kind({"taskDetails": Anything()}, {"environmentId": TEXT, "environmentVariables": TEXTS})

JOB = Members(
    required={
        "properties": Variant(
            "jobType",
            {"Pipeline": _PIPELINE, "Command": _COMMAND, "Sweep": _SWEEP, "Spark": _SPARK, "AutoML": _AUTOML},
        )
    },
    readonly=frozenset({"id", "name", "type", "systemData"}),
)
# What may be changed of a job that is there; of all else the service says that it cannot.
CHANGEABLE = frozenset({"description", "tags", "displayName", "properties", "isArchived"})

HISTORY = Members(
    optional={"description": TEXT, "displayName": TEXT, "hidden": Flag(), "properties": TEXTS, "tags": TEXTS},
    readonly=frozenset({"runId", "status"}),
)

# The data plane writes its kinds of inputs in another way, and has more of them.
_BATCH_KINDS = ("UriFile", "UriFolder", "MLTable", "CustomModel", "MLFlowModel", "TritonModel")
_BATCH_INPUT = Variant(
    "jobInputType",
    {
        **dict.fromkeys((*_BATCH_KINDS, *ASSETS), _ASSET_INPUT),
        **dict.fromkeys(("Literal", "literal"), Members(required={"jobInputType": TEXT, "value": Anything()})),
    },
)
_BATCH_OUTPUT = Variant("jobOutputType", dict.fromkeys((*_BATCH_KINDS, *ASSETS), _ASSET_OUTPUT))
BATCH_JOB = Members(
    required={
        "properties": Members(
            optional={
                "compute": Anything(),
                "dataset": Anything(),
                "description": TEXT,
                "errorThreshold": Whole(),
                "inputData": MapOf(_BATCH_INPUT),
                "maxConcurrencyPerInstance": Whole(),
                "miniBatchSize": Whole(),
                "name": TEXT,
                "outputData": MapOf(_BATCH_OUTPUT),
                "outputDataset": Anything(),
                "outputFileName": TEXT,
                "partitionKeys": ListOf(TEXT),
                "properties": TEXTS,
                "retrySettings": Anything(),
                "tags": TEXTS,
            },
            readonly=frozenset({"interactionEndpoints", "output", "provisioningState", "status"}),
        )
    }
)
