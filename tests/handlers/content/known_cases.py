"""Events with what Azure ML knows about their objects, in the forms in which it says so."""

from typing import Any

from handlers.base import Action
from schemas import Context, Event, ModelDeployed, ModelRegistered, RunCompleted, RunStatusChanged
from schemas.facts import FACTS

WORKSPACE = {"name": "churn-prod", "labels": {"env": "prod", "team": "churn"}, "timezone": "Europe/Berlin"}
ACTION = Action(rule="post-failed-runs", source="rules/churn.yaml:12")
STUDIO = "https://ml.azure.com/runs/3f1c?wsid=/subscriptions/2222/resourcegroups/rg-ml-prod/workspaces/churn-prod"
RUN: dict[str, Any] = {
    "id": "brave_kiwi_t5m0xr7c4d",
    "display_name": "brave_kiwi",
    "status": "Failed",
    "experiment": "churn-training",
    "type": "pipeline",
    "error": {
        "code": "UserError",
        "message": "Execution failed. User process 'python' exited with status code 1. Please check log file "
        "'user_logs/std_log.txt' for error details. Error: Traceback (most recent call last):\n"
        '  File "train.py", line 88, in <module>\n    model.fit(batches)\n'
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB (GPU 0; 15.77 GiB total capacity)",
    },
    "failing_step": {"id": "3f1c", "name": "train", "url": STUDIO},
    "compute": {"name": "gpu-cluster", "type": "AmlCompute", "size": "Standard_NC24ads_A100_v4", "nodes": 2},
    "owner": "Ann Rivera",
    "started": "2026-11-22T08:58:01Z",
    "ended": "2026-11-22T09:12:40Z",
    "duration": 754.0,
    "metrics": {"train_loss": 0.38214, "epoch": 3.0, "val_auc": 0.8471},
    "log_tail": "Epoch 3/20\n  batch  120/400  loss 0.3821\n  batch  160/400  loss 0.3794\n"
    "Traceback (most recent call last):\n"
    '  File "/mnt/azureml/cr/j/9f2/exe/wd/train.py", line 88, in <module>\n    model.fit(batches)\n'
    '  File "/azureml-envs/azureml_1/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1553, in _call\n'
    "    return self._call_impl(*args, **kwargs)\n"
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB (GPU 0; 15.77 GiB total capacity; "
    "13.11 GiB already allocated)",
    "log_file": "user_logs/std_log.txt",
    "notebook": "train.ipynb",
}
MODEL: dict[str, Any] = {
    "name": "churn",
    "version": "7",
    "flavor": "sklearn",
    "stage": "production",
    "registered_by": "Ann Rivera",
    "run_name": "quiet_panda",
    "metrics": {"auc": 0.8714, "log_loss": 0.291},
    "serving": [{"version": "6", "endpoint": "churn-eu", "deployment": "blue", "traffic": 100}],
    "serving_version": "6",
}
ENDPOINT: dict[str, Any] = {
    "name": "churn",
    "state": "Succeeded",
    "traffic": {"blue": 90, "green": 10},
    "deployments": [
        {"name": "blue", "state": "Succeeded", "traffic": 90, "model": "churn:6", "size": "Standard_DS3_v2"},
        {"name": "green", "state": "Updating", "traffic": 10, "model": "churn:7", "instances": 1},
    ],
}
_REASONS = {
    "a package is missing": {"code": "UserError", "message": "ModuleNotFoundError: No module named 'lightgbm'"},
    "a file is missing": {"message": "FileNotFoundError: [Errno 2] No such file or directory: 'data/churn.csv'"},
    "a short exception": {"message": "Traceback (most recent call last):\n  File \"a.py\"\nKeyError: 'churned'"},
    "an image that does not build": {
        "code": "ImageBuildFailure",
        "message": "Image build failed. For more details, check log",
    },
    "preempted": {"code": "UserProcessKilledBySystemSignal", "message": "Job failed because the node was preempted."},
    "no data access": {
        "code": "ScriptExecution.StreamAccess.Authentication",
        "message": "Permission denied: churnlanding",
    },
    "only a code": {"code": "QuotaExceeded"},
    "a long message": {"message": "The job cannot start because " + "the quota of the region is exhausted and " * 30},
}


def with_facts(event: Event, **facts: dict[str, Any]) -> Event:
    """The event as a handler receives it, with these facts by name."""

    def read(name: str) -> Any:
        return FACTS[name].model_validate(facts.get(name, {}))

    return Context(event, WORKSPACE, None, read).event_for_handler()


def _cases() -> dict[str, Event]:
    failed, done = RunStatusChanged.example(), RunCompleted.example()
    plain = {**RUN, "failing_step": {}, "type": "command"}
    cases = {
        "out of memory": with_facts(failed, run=RUN),
        "job without steps": with_facts(failed, run=plain),
        "no log": with_facts(failed, run={**RUN, "log_tail": None, "missing": ["the log: HTTP 403 from churnstore"]}),
        "unavailable": with_facts(failed, run={"unavailable": "HTTP 403: the app's identity has no role"}),
        "too slow": with_facts(failed, run={"unavailable": "no answer within 10 s", "transient": True}),
        "reason in the log only": with_facts(
            failed, run={**RUN, "error": {"message": "Execution failed. Job failed."}}
        ),
        "nothing known": with_facts(failed, run={}),
        "canceled": with_facts(RunStatusChanged.example(run_status="Canceled"), run={**plain, "status": "Canceled"}),
        "not responding": with_facts(
            RunStatusChanged.example(run_status="NotResponding"), run={**plain, "status": "NotResponding"}
        ),
        "completed": with_facts(done, run={**RUN, "status": "Completed", "error": {}, "failing_step": {}}),
        "model": with_facts(ModelRegistered.example(), model=MODEL),
        "first model": with_facts(ModelRegistered.example(), model={**MODEL, "serving": [], "serving_version": None}),
        "deployed": with_facts(ModelDeployed.example(), endpoint=ENDPOINT),
    }
    for name, error in _REASONS.items():
        cases[name] = with_facts(failed, run={**RUN, "error": error, "log_tail": "Starting\nDone with errors"})
    return cases


KNOWN_CASES = _cases()
