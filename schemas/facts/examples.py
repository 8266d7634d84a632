"""Examples of facts, for previews of messages: of a pipeline whose training failed, and of a model in use."""

from collections.abc import Mapping

from schemas.facts.models import (
    Compute,
    DeploymentFacts,
    EndpointFacts,
    Facts,
    ModelFacts,
    ParentRun,
    RunError,
    RunFacts,
    Serving,
    Step,
)

_STUDIO = "https://ml.azure.com"
_METRICS = {"auc": 0.914, "loss": 0.231}

# By the names in `schemas.facts.FACTS`; every value is known.
EXAMPLES: Mapping[str, Facts] = {
    "run": RunFacts(
        id="brave_kiwi",
        display_name="churn training",
        status="Failed",
        experiment="churn-training",
        description="The nightly training",
        type="pipeline",
        error=RunError(code="OutOfMemory", message="CUDA out of memory. Tried to allocate 2.00 GiB"),
        failing_step=Step(id="brave_kiwi_train", name="train", url=f"{_STUDIO}/runs/brave_kiwi_train"),
        compute=Compute(name="gpu-cluster", type="AmlCompute", size="Standard_NC6s_v3", nodes=2),
        parent=ParentRun(id="calm_owl", name="churn nightly", url=f"{_STUDIO}/runs/calm_owl"),
        owner="Ada Example",
        started="2026-11-22T09:00:10Z",
        ended="2026-11-22T09:12:44Z",
        duration=754.0,
        metrics=_METRICS,
        log_tail="epoch 3 of 10\nRuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB",
        log_file="user_logs/std_log.txt",
        url=f"{_STUDIO}/runs/brave_kiwi",
        notebook="train.ipynb",
    ),
    "model": ModelFacts(
        name="churn",
        version="7",
        description="Who is about to leave",
        type="mlflow_model",
        flavor="sklearn",
        stage="production",
        tags={"stage": "production"},
        registered_by="Ada Example",
        registered="2026-11-22T09:12:44Z",
        run_id="brave_kiwi",
        run_name="churn training",
        run_url=f"{_STUDIO}/runs/brave_kiwi",
        metrics=_METRICS,
        serving=(Serving(version="6", endpoint="churn-eu", deployment="churn-6", traffic=100.0),),
        serving_version="6",
        url=f"{_STUDIO}/model/churn:7/details",
    ),
    "endpoint": EndpointFacts(
        name="churn-eu",
        kind="online",
        state="Succeeded",
        description="For the website",
        tags={"team": "churn"},
        traffic={"churn-7": 100.0},
        deployments=(
            DeploymentFacts(
                name="churn-7",
                state="Succeeded",
                traffic=100.0,
                model="churn:7",
                size="Standard_DS3_v2",
                instances=1,
            ),
        ),
        url=f"{_STUDIO}/endpoints/realtime/churn-eu/detail",
    ),
}
