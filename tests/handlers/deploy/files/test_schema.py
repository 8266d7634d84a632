"""The known keys of the CLI's files are those of azure-ai-ml's own schemas."""

from collections.abc import Iterator
from typing import Any

import pytest

from handlers.azure.ml.workspace import client_class
from handlers.deploy.files import schema
from handlers.deploy.files.fields import ANY, Choice, Either, Field, ListOf, MapOf, Table

_CHOSEN_BY_THE_ROLL_OUT = {"job_definition", "component"}  # of batch deployments without a model


def _schemas() -> dict[str, tuple[Table, type[Any]]]:
    client_class()  # imports azure.ai.ml quietly
    from azure.ai.ml._schema._deployment.batch.batch_deployment import BatchDeploymentSchema
    from azure.ai.ml._schema._deployment.batch.model_batch_deployment import ModelBatchDeploymentSchema
    from azure.ai.ml._schema._deployment.online import online_deployment
    from azure.ai.ml._schema._endpoint import (
        BatchEndpointSchema,
        KubernetesOnlineEndpointSchema,
        ManagedOnlineEndpointSchema,
    )

    return {
        "managed": (schema.MANAGED, online_deployment.ManagedOnlineDeploymentSchema),
        "kubernetes": (schema.KUBERNETES, online_deployment.KubernetesOnlineDeploymentSchema),
        "batch": (schema.BATCH, BatchDeploymentSchema),
        "batch model": (schema.BATCH_MODEL, ModelBatchDeploymentSchema),
        "managed endpoint": (schema.MANAGED_ENDPOINT, ManagedOnlineEndpointSchema),
        "kubernetes endpoint": (schema.KUBERNETES_ENDPOINT, KubernetesOnlineEndpointSchema),
        "batch endpoint": (schema.BATCH_ENDPOINT, BatchEndpointSchema),
    }


def _tables(field: Field) -> Iterator[Table]:
    """The tables with known keys in a kind of values."""
    match field:
        case Table():
            yield field
        case Either():
            yield from _tables(field.table)
        case ListOf():
            yield from _tables(field.items)
        case MapOf():
            yield from _tables(field.values)


def _nested(field: Any) -> Iterator[Any]:
    """The marshmallow schemas in a marshmallow field."""
    for part in getattr(field, "_union_fields", None) or [field]:
        for inner in (getattr(part, name, None) for name in ("value_field", "inner", "experimental_field")):
            if inner is not None:
                yield from _nested(inner)
        if hasattr(part, "nested"):
            yield part.schema


def _keys(marshmallow: Any) -> set[str]:
    return {field.data_key or name for name, field in marshmallow.fields.items()}


def _compare(table: Table, marshmallow: list[Any], path: str) -> Iterator[str]:
    """The differences between a table and the marshmallow schemas of the same value."""
    keys = set().union(*map(_keys, marshmallow)) - _CHOSEN_BY_THE_ROLL_OUT
    ours = set(table.keys) - {"nvidia.com/gpu"}  # an alias that azure-ai-ml renames before its schema sees it
    if ours != keys:
        yield f"{path}: only here {sorted(ours - keys)}, only in azure-ai-ml {sorted(keys - ours)}"
    for key in ours & keys:
        fields = [each.fields[name] for each in marshmallow for name in each.fields if _name(each, name) == key]
        tables = list(_tables(table.keys[key]))
        inner = [found for field in fields for found in _nested(field)]
        if tables and inner:
            yield from _compare(tables[0], inner, f"{path}.{key}")
        elif table.keys[key] is not ANY and bool(tables) != bool(inner):
            yield f"{path}.{key}: a table only on one side"
        allowed = {word.replace("_", "") for field in fields for word in getattr(field, "allowed_values", ())}
        if isinstance(choice := table.keys[key], Choice) and allowed:
            ours = {word.replace("_", "") for word in choice.words}
            if ours != allowed - {"pipeline"}:
                yield f"{path}.{key}: only here {ours - allowed}, only in azure-ai-ml {allowed - ours}"


def _name(marshmallow: Any, name: str) -> str:
    return marshmallow.fields[name].data_key or name


@pytest.mark.filterwarnings("ignore")  # marshmallow's, about its next version
def test_keys_are_those_of_azure_ai_ml() -> None:
    differences: list[str] = []
    for name, (table, marshmallow) in _schemas().items():
        context = {"base_path": "."}
        differences += _compare(table, [marshmallow(context=context)], name)
    assert not differences, "\n".join(differences)
