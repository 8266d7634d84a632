"""Start a run of another service once, and follow it to its end: what handlers that start runs share.

handler.py         the base of these handlers, and their settings
steps.py           the steps of one action, in order
start.py           the steps that start the run
follow.py          the step that follows it
plan.py            what the steps share
limits.py          how long they wait
state.py           what one action keeps between calls
target.py          the two kinds of runs: those whose name the app chooses, and those it has to search for
run.py             a run, as any service describes it
api.py             requests to a service whose resources are JSON
data_factory.py    runs of pipelines of Data Factory, and of services that are like it
parameters.py      their parameters
"""
