"""An app with functions and bindings that the local host does not serve."""

import azure.functions as func

app = func.FunctionApp()


@app.blob_trigger(arg_name="blob", path="files/{name}", connection="AzureWebJobsStorage")
def copied(blob: func.InputStream) -> None:
    """A function with a trigger that is not served."""


@app.queue_trigger(arg_name="message", queue_name="%NOWHERE%", connection="AzureWebJobsStorage")
def missing_setting(message: func.QueueMessage) -> None:
    """The setting with its queue's name is missing."""


@app.queue_trigger(arg_name="message", queue_name="Not_A_Queue", connection="AzureWebJobsStorage")
def invalid_name(message: func.QueueMessage) -> None:
    """Its queue's name is invalid."""


@app.timer_trigger(arg_name="timer", schedule="every now and then")
def invalid_schedule(timer: func.TimerRequest) -> None:
    """Its schedule is invalid."""


@app.event_grid_trigger(arg_name="event")
@app.queue_output(arg_name="copy", queue_name="copies", connection="AzureWebJobsStorage")
def output_binding(event: str, copy: func.Out[str]) -> None:
    """Writes to a queue through a binding."""
