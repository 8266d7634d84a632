"""An app with a function whose annotation the Python worker does not accept."""

import azure.functions as func

app = func.FunctionApp()


@app.event_grid_trigger(arg_name="event")
def takes_a_dict(event: dict) -> None:  # type: ignore[type-arg]  # the intended error
    """Cannot be indexed."""
