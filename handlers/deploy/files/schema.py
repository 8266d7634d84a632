"""The keys of the CLI's YAML of deployments and endpoints.

They are those of azure-ai-ml's own schemas (azure/ai/ml/_schema/_deployment and _schema/_endpoint), which cannot be
used here: importing them takes seconds. tests/handlers/deploy/files/test_schema.py compares both, key by key.
"""

from collections.abc import Mapping

from handlers.azure.ml.assets import AssetRef
from handlers.deploy.files.fields import (
    ANY,
    NUMBER,
    SWITCH,
    TEXT,
    VALUE,
    WHOLE,
    Checked,
    Choice,
    Either,
    Field,
    ListOf,
    MapOf,
    Table,
)

_ACCESS = Choice(("enabled", "disabled"))
_ROUTE = Table({"port": WHOLE, "path": TEXT}, needed=("port", "path"))
_ROUTES = ("liveness_route", "readiness_route", "scoring_route")
_INLINE_ENVIRONMENT = Table(
    {
        "$schema": ANY,
        "id": ANY,
        "name": TEXT,
        "version": VALUE,
        "description": TEXT,
        "tags": MapOf(ANY),
        "image": TEXT,
        "build": Table({"path": TEXT, "dockerfile_path": TEXT}),
        "conda_file": Either(TEXT, MapOf(ANY)),
        "inference_config": Table(dict.fromkeys(_ROUTES, _ROUTE), needed=_ROUTES),
        "os_type": Choice(("linux", "windows")),
        "datastore": TEXT,
        "auto_delete_setting": ANY,
        "creation_context": ANY,
        "intellectual_property": ANY,
        "latest_version": ANY,
    }
)
_DEPLOYMENT: Mapping[str, Field] = {
    "$schema": ANY,
    "id": TEXT,
    "name": TEXT,
    "endpoint_name": TEXT,
    "description": TEXT,
    "tags": MapOf(VALUE),
    "properties": MapOf(ANY),
    "model": ANY,  # the roll-out chooses the model
    "environment": Either(Checked(lambda text: AssetRef.parse(text, "environments")), _INLINE_ENVIRONMENT),
    "environment_variables": MapOf(VALUE),
    "code_configuration": Table({"$schema": ANY, "code": TEXT, "scoring_script": TEXT}),
}

_PROBE = Table(
    dict.fromkeys(("initial_delay", "period", "timeout", "success_threshold", "failure_threshold"), WHOLE),
)
_COLLECTION = Table(
    {
        "enabled": Choice(("true", "false")),
        "data": Either(TEXT, Table({"name": TEXT, "path": TEXT, "version": TEXT, "data_id": TEXT})),
        "client_id": TEXT,
    },
    needed=("enabled",),
)
_DATA_COLLECTOR = Table(
    {
        "collections": MapOf(_COLLECTION),
        "rolling_rate": Choice(("minute", "day", "hour")),
        "sampling_rate": NUMBER,
        "request_logging": Table({"capture_headers": ListOf(TEXT)}),
    }
)
_ONLINE: Mapping[str, Field] = {
    **_DEPLOYMENT,
    "type": Choice(("managed", "kubernetes")),
    "instance_type": TEXT,
    "instance_count": WHOLE,
    "app_insights_enabled": SWITCH,
    "model_mount_path": TEXT,
    "scale_settings": Table(
        {
            "type": Choice(("default", "target_utilization")),
            "polling_interval": WHOLE,
            "target_utilization_percentage": WHOLE,
            "min_instances": WHOLE,
            "max_instances": WHOLE,
        },
        needed=("type",),
    ),
    "request_settings": Table(
        dict.fromkeys(("request_timeout_ms", "max_concurrent_requests_per_instance", "max_queue_wait_ms"), WHOLE)
    ),
    "liveness_probe": _PROBE,
    "readiness_probe": _PROBE,
    "data_collector": _DATA_COLLECTOR,
    "provisioning_state": TEXT,
}
_RESOURCES = Table(dict.fromkeys(("cpu", "memory", "gpu", "nvidia.com/gpu"), TEXT))

MANAGED = Table(
    {
        **_ONLINE,
        "egress_public_network_access": _ACCESS,
        "private_network_connection": SWITCH,
        "creation_context": ANY,
    }
)
KUBERNETES = Table(
    {
        **_ONLINE,
        "resources": Table({"requests": _RESOURCES, "limits": _RESOURCES}),
    }
)

_RETRY = Table({"max_retries": WHOLE, "timeout": WHOLE})
_BATCH_SETTINGS: Mapping[str, Field] = {
    "error_threshold": WHOLE,
    "retry_settings": _RETRY,
    "mini_batch_size": WHOLE,
    "logging_level": TEXT,
    "output_action": Choice(("append_row", "summary_only")),
    "output_file_name": TEXT,
    "max_concurrency_per_instance": WHOLE,
}
_BATCH: Mapping[str, Field] = {
    **_DEPLOYMENT,
    "type": Choice(("model",)),  # a deployment of type pipeline has a component, and no model
    "compute": TEXT,
    "resources": Table(
        {
            "instance_count": WHOLE,
            "instance_type": TEXT,
            "properties": MapOf(ANY),
            "locations": ListOf(TEXT),
            "shm_size": TEXT,
            "max_instance_count": WHOLE,
            "docker_args": ANY,
        }
    ),
}
BATCH = Table({**_BATCH, **_BATCH_SETTINGS, "provisioning_state": ANY, "creation_context": ANY})
BATCH_MODEL = Table(  # with the type `model`, as newer files have it
    {
        **_BATCH,
        "error_threshold": WHOLE,
        "settings": Table({**_BATCH_SETTINGS, "instance_count": WHOLE, "environment_variables": MapOf(VALUE)}),
    }
)

_IDENTITY = Table(
    {
        "type": Choice(("system_assigned", "user_assigned", "none")),
        "principal_id": TEXT,
        "tenant_id": TEXT,
        "user_assigned_identities": ListOf(MapOf(TEXT)),
    }
)
_ENDPOINT: Mapping[str, Field] = {
    "$schema": ANY,
    "id": TEXT,
    "name": TEXT,
    "description": TEXT,
    "tags": MapOf(VALUE),
    "properties": MapOf(ANY),
    "auth_mode": Choice(("aad_token", "key", "aml_token")),
    "identity": _IDENTITY,
    "location": TEXT,
    "provisioning_state": TEXT,
    "scoring_uri": TEXT,
    "openapi_uri": TEXT,
}
_ONLINE_ENDPOINT: Mapping[str, Field] = {
    **_ENDPOINT,
    "traffic": MapOf(WHOLE),
    "mirror_traffic": MapOf(WHOLE),
    "kind": ANY,
}
MANAGED_ENDPOINT = Table({**_ONLINE_ENDPOINT, "public_network_access": _ACCESS})
KUBERNETES_ENDPOINT = Table({**_ONLINE_ENDPOINT, "compute": TEXT})
BATCH_ENDPOINT = Table({**_ENDPOINT, "defaults": Table({"deployment_name": TEXT})})
