"""An app with what the local host does not serve."""

import azure.functions as func

app = func.FunctionApp()


@app.route(route="hello")
def hello(req: func.HttpRequest) -> func.HttpResponse:
    """An HTTP function."""
    return func.HttpResponse("hello")


@app.queue_trigger(arg_name="message", queue_name="%NOWHERE%", connection="AzureWebJobsStorage")
def lost(message: func.QueueMessage) -> None:
    """Its queue's name is not known."""


@app.queue_trigger(arg_name="message", queue_name="Not_A_Queue", connection="AzureWebJobsStorage")
def misnamed(message: func.QueueMessage) -> None:
    """Its queue's name cannot be one."""


@app.timer_trigger(arg_name="timer", schedule="every now and then")
def whenever(timer: func.TimerRequest) -> None:
    """Its schedule is none."""


@app.event_grid_trigger(arg_name="event")
@app.queue_output(arg_name="copy", queue_name="copies", connection="AzureWebJobsStorage")
def copies(event: str, copy: func.Out[str]) -> None:
    """Writes to a queue by a binding."""
