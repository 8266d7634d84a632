"""The facts about a model version, from Resource Manager and from the run that made it.

Members: learn.microsoft.com/rest/api/azureml, "Model Versions - Get".
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from handlers.azure.facts.endpoints import ONLINE, model_of, share_of, traffic_of
from handlers.azure.facts.metrics import Metrics, last_metrics
from handlers.azure.facts.parts import NotRead, Parts
from handlers.azure.facts.reader import Reader
from handlers.azure.facts.steps import HISTORY, path_of
from handlers.azure.facts.values import MOST, name, object_of, text, texts, time
from handlers.azure.ml.resources import ModelRef
from schemas.facts import ModelFacts, Serving
from schemas.links import quoted, run_link, studio_link

_ENDPOINTS = 20  # endpoints with traffic whose deployments are read
_GENERAL = "python_function"  # MLflow's flavor that every model has
_LOADER = re.compile(r"mlflow\.(\w+)(?:\..*)?")  # MLflow's module for a flavor, as its `loader_module` names it
_DATA_CONTAINER = re.compile(r"ExperimentRun/dcid\.([^/]+)/.*")  # where the artifacts of a run are


def model_facts(reader: Reader, parts: Parts, id: tuple[str, ...]) -> ModelFacts:
    """The facts about the version of a model. Raises NotRead if the version cannot be read."""
    model, version = id
    path = f"{reader.path}/models/{quote(model, safe='')}/versions/{quote(version, safe='')}"
    serving_part = parts.start("what is served", lambda: _serving(reader, model))
    body = parts.wait(parts.start("the model", lambda: reader.arm(path)))
    facts = _own(reader, body, model, version)
    run_path = path_of(reader, facts.run_id) if facts.run_id else ""
    run_part = parts.start("the run", lambda: reader.service(f"/history/v1.0{run_path}", HISTORY) if run_path else {})
    metrics_part = parts.start("the metrics", lambda: last_metrics(reader, run_path) if run_path else Metrics())
    run = parts.take(run_part, {})
    changes: dict[str, Any] = {
        "run_name": name(run.get("displayName")),
        "metrics": parts.take(metrics_part, Metrics()),
        "serving": (serving := parts.take(serving_part, ())),
        "serving_version": serving[0].version if serving else None,
        "missing": tuple(parts.missing),
        "transient": parts.transient,
    }
    return facts.model_copy(update=changes)


def _own(reader: Reader, body: Mapping[str, Any], model: str, version: str) -> ModelFacts:
    properties, system = object_of(body.get("properties")), object_of(body.get("systemData"))
    tags, workspace = texts(properties.get("tags")), reader.azureml.workspace
    run = _run(properties)
    return ModelFacts(
        name=model,
        version=version,
        description=text(properties.get("description")),
        type=name(properties.get("modelType")),
        flavor=_flavor(object_of(properties.get("flavors"))),
        stage=name(properties.get("stage")) or next((tags[tag] for tag in tags if tag.casefold() == "stage"), None),
        tags=tags,
        registered_by=name(system.get("createdBy")),
        registered=time(system.get("createdAt")),
        run_id=run,
        run_url=run_link(workspace, run) if run else None,
        url=studio_link(workspace, "model", f"{quoted(model)}:{quoted(version)}", "details"),
    )


def _run(properties: Mapping[str, Any]) -> str | None:
    """The id of the run that made the model: its job, or else the run whose artifacts it is made of."""
    prefix = name(object_of(properties.get("properties")).get("azureml.artifactPrefix"))
    found = _DATA_CONTAINER.fullmatch(prefix) if prefix else None
    return name(properties.get("jobName")) or (found[1] if found else None)


def _flavor(flavors: Mapping[str, Any]) -> str | None:
    """The most specific flavor: the first that is not MLflow's general one, or else the one that loads that."""
    own = next((flavor for key in flavors if key != _GENERAL and (flavor := name(key))), None)
    general = object_of(object_of(flavors.get(_GENERAL)).get("data"))
    found = _LOADER.fullmatch(name(general.get("loader_module")) or "")
    return own or (found[1] if found else None)


def _serving(reader: Reader, model: str) -> tuple[Serving, ...]:
    """The deployments with traffic that serve a version of the model, those with the most traffic first."""
    found: list[Serving] = []
    endpoints = [each for each in reader.arm_items(f"{reader.path}/{ONLINE}") if traffic_of(each)]
    for endpoint in endpoints[:_ENDPOINTS]:
        found += _serving_of(reader, endpoint, model)
    if len(endpoints) > _ENDPOINTS:
        raise NotRead(f"there are more than {_ENDPOINTS} endpoints with traffic", transient=False)
    return tuple(sorted(found, key=lambda each: -(each.traffic or 0))[:MOST])


def _serving_of(reader: Reader, endpoint: Mapping[str, Any], model: str) -> Iterator[Serving]:
    workspace, own, traffic = str(reader.azureml.workspace), name(endpoint.get("name")), traffic_of(endpoint)
    if not own:
        return
    for body in reader.arm_items(f"{reader.path}/{ONLINE}/{quote(own, safe='')}/deployments"):
        deployment, served = name(body.get("name")), model_of(body, workspace)
        share = share_of(deployment, traffic)
        if share and isinstance(served, ModelRef) and _is_version(served, model, workspace):
            yield Serving(version=served.version, endpoint=own, deployment=deployment, traffic=share)


def _is_version(served: ModelRef, model: str, workspace: str) -> bool:
    """Is it a version of the workspace's model of this name?"""
    return served.name.casefold() == model.casefold() and served.workspace.casefold() == workspace.casefold()
