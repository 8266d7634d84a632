"""Every Azure Function of the app. Each calls a function of dispatch/, which does the work.

Triggers receive the event as text: `func.EventGridEvent` loses fields, becomes another class for CloudEvents, and
raises for legal times before this code runs.
"""

import logging
import os
from base64 import b64decode
from contextlib import suppress

import azure.functions as func

from dispatch.act import act as act_on
from dispatch.act import rearm
from dispatch.app import LazyApp
from dispatch.receive import receive, receive_or_requeue
from dispatch.settings import CONNECTION, Environment, Names
from dispatch.sweep import sweep as sweep_all
from schemas import DatasetDriftDetected, ModelDeployed, ModelRegistered, RunCompleted, RunStatusChanged

# The SDK would log two records for every call to storage; the app logs what it does itself.
logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)

app = func.FunctionApp()
names = Names.of(Environment(os.environ))
the_app = LazyApp()
# For MLEVENTS_WEB=key the host checks the function's key; otherwise the pages themselves decide who may look.
has_key = Environment(os.environ).raw("MLEVENTS_WEB").casefold() == "key"


def text_of(message: func.QueueMessage) -> str:
    """Decode a queue message: Base64, as Event Grid and this app send it, or plain text, as people and other tools do.

    The host leaves that to the app (`messageEncoding` in host.json). It would put a message that is not Base64 into the
    poison queue, and fail each call for bytes that are not UTF-8. Here they are replaced; `dispatch` then records and
    rejects the text unless it is an event.
    """
    body = message.get_body()
    with suppress(ValueError):
        body = b64decode(b"".join(body.split()), validate=True)
    return body.decode(errors="replace")


@app.event_grid_trigger(arg_name="event")
def azureml_event(event: str) -> None:
    """Receive an event of any registered type: one event subscription per workspace is the normal setup."""
    receive(event, the_app())


@app.event_grid_trigger(arg_name="event")
def run_completed(event: str) -> None:
    """Receive RunCompleted from a separate subscription, to scale, disable and monitor this type separately."""
    receive(event, the_app(), RunCompleted)


@app.event_grid_trigger(arg_name="event")
def run_status_changed(event: str) -> None:
    """Receive RunStatusChanged from a separate subscription."""
    receive(event, the_app(), RunStatusChanged)


@app.event_grid_trigger(arg_name="event")
def model_registered(event: str) -> None:
    """Receive ModelRegistered from a separate subscription."""
    receive(event, the_app(), ModelRegistered)


@app.event_grid_trigger(arg_name="event")
def model_deployed(event: str) -> None:
    """Receive ModelDeployed from a separate subscription."""
    receive(event, the_app(), ModelDeployed)


@app.event_grid_trigger(arg_name="event")
def dataset_drift_detected(event: str) -> None:
    """Receive DatasetDriftDetected from a separate subscription."""
    receive(event, the_app(), DatasetDriftDetected)


@app.queue_trigger(arg_name="message", queue_name=names.events, connection=CONNECTION)
def queued_event(message: func.QueueMessage) -> None:
    """Receive any event from a storage queue, for private networks, which Event Grid's push cannot reach."""
    receive(text_of(message), the_app())


@app.queue_trigger(arg_name="message", queue_name=f"{names.events}-poison", connection=CONNECTION)
def queued_event_poison(message: func.QueueMessage) -> None:
    """Retry an event that the host gave up: storage was unavailable in ten attempts to record it."""
    receive_or_requeue(text_of(message), the_app())


@app.timer_trigger(arg_name="timer", schedule="0 */5 * * * *")
def sweep(timer: func.TimerRequest) -> None:
    """Finish the work that the other functions left unfinished, every five minutes."""
    sweep_all(the_app())


@app.timer_trigger(arg_name="timer", schedule="0 2-59/5 * * * *")
def watch(timer: func.TimerRequest) -> None:
    """Look for what raises no event, every five minutes, between two sweeps: see docs/watch.md."""
    from dispatch.watch.timer import watch as watch_all

    watch_all(the_app())


@app.queue_trigger(arg_name="message", queue_name=names.actions, connection=CONNECTION)
def act(message: func.QueueMessage) -> None:
    """Carry out one action."""
    act_on(text_of(message), the_app())


@app.queue_trigger(arg_name="message", queue_name=f"{names.actions}-poison", connection=CONNECTION)
def act_poison(message: func.QueueMessage) -> None:
    """Send a new message for an action whose message the host gave up, unless the action has ended."""
    rearm(text_of(message), the_app())


@app.route("monitor_alert", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
def monitor_alert(req: func.HttpRequest) -> func.HttpResponse:
    """Receive an alert of Azure Monitor from an action group: see docs/alerts.md."""
    from dispatch.monitor.receive import receive_alert

    answer = receive_alert(req.get_body(), the_app())
    return func.HttpResponse(f"{answer.text}\n", status_code=answer.status, mimetype="text/plain")


@app.route(
    "web/{*path}", methods=["GET", "POST"], auth_level=func.AuthLevel.FUNCTION if has_key else func.AuthLevel.ANONYMOUS
)
def web(req: func.HttpRequest) -> func.HttpResponse:
    """Show what happened, and why, to those who may look, and do what operators ask: see docs/history.md."""
    from web.exchange import Request
    from web.site import serve

    headers = {name.lower(): value for name, value in req.headers.items()}
    path, query = req.route_params.get("path", ""), dict(req.params)
    request = Request(req.url, path, query, headers, req.method, req.get_body())
    response = serve(request, the_app, os.environ)
    return func.HttpResponse(response.body, status_code=response.status, headers=response.all_headers)
