"""The events that Azure ML raises, in the Event Grid schema.

Azure/azure-rest-api-specs, specification/eventgrid, MachineLearningServices; as sent: the
service writes the keys of tags and properties in camel case, too.
"""

from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from emulator.state.ids import PROVIDER, name_of
from emulator.state.runs import Run
from emulator.state.state import Body, State


def model_registered(state: State, workspace: str, name: str, version: str, properties: Body) -> Body:
    """The event for a model registered in a workspace."""
    data = {
        "modelName": name,
        "modelVersion": version,
        "modelTags": _camel(properties.get("tags")),
        "modelProperties": _camel(properties.get("properties")),
    }
    return _event(state, workspace, "ModelRegistered", f"models/{name}:{version}", data)


def model_deployed(state: State, workspace: str, endpoint: Body, deployment: Body) -> Body:
    """The event for an online deployment that succeeded; a failed one raises none.

    learn.microsoft.com, "Trigger applications, processes, or CI/CD workflows based on Azure Machine Learning events".
    """
    model = str(deployment["properties"].get("model") or "")
    name, _, version = model.partition("/models/")[2].partition("/versions/")
    data = {
        "serviceName": endpoint["name"],
        "serviceComputeType": deployment["properties"].get("endpointComputeType", ""),
        "modelIds": f"{name}:{version}" if version else model,
        "serviceTags": _camel(endpoint.get("tags")),
        "serviceProperties": _camel(endpoint["properties"].get("properties")),
    }
    return _event(state, workspace, "ModelDeployed", f"endpoints/{name_of(endpoint['id'])}", data)


def run_status_changed(state: State, run: Run) -> Body:
    """The event for a run's new status. Its id is derived from run and status, as in captured events."""
    id = str(uuid5(NAMESPACE_URL, f"{run.key} {run.status}"))
    return _run_event(state, run, "RunStatusChanged", {"runStatus": run.status, **_run_data(run)}, id)


def run_completed(state: State, run: Run) -> Body:
    """The event for a completed run."""
    return _run_event(state, run, "RunCompleted", _run_data(run), str(uuid5(NAMESPACE_URL, f"{run.key} completed")))


def experiment_id(run: Run) -> str:
    """The id of a run's experiment."""
    return str(uuid5(NAMESPACE_URL, f"{run.workspace}/experiments/{run.experiment}".lower()))


def _run_data(run: Run) -> Body:
    return {
        "experimentId": experiment_id(run),
        "experimentName": run.experiment,
        "runId": run.id,
        "runType": run.type,
        "runTags": _camel(run.tags),
        "runProperties": _camel(run.properties),
    }


def _run_event(state: State, run: Run, type: str, data: Body, id: str) -> Body:
    subject = f"experiments/{data['experimentId']}/runs/{run.id}"
    return {**_event(state, run.workspace, type, subject, data), "id": id}


def _event(state: State, workspace: str, type: str, subject: str, data: Body) -> Body:
    return {
        "topic": workspace,
        "subject": subject,
        "eventType": f"{PROVIDER}.{type}",
        "eventTime": state.clock.text(),
        "id": str(uuid4()),
        "data": data,
        "dataVersion": "2",
        "metadataVersion": "1",
    }


def _camel(values: Any) -> Body:
    """Keys in the camel case of Newtonsoft.Json: ``GITHUB_REPOSITORY`` becomes ``githuB_REPOSITORY``."""
    return {_camel_key(key): value for key, value in (values or {}).items()}


def _camel_key(key: str) -> str:
    letters = list(key)
    for n, letter in enumerate(letters):
        if not letter.isupper() or (n and n + 1 < len(letters) and not letters[n + 1].isupper()):
            # The last of several capitals starts a word and stays, unless a space follows it.
            if n and letter.isupper() and letters[n + 1] == " ":
                letters[n] = letter.lower()
            break
        letters[n] = letter.lower()
    return "".join(letters)
