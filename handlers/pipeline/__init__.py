"""``do: pipeline``: start a run once, and follow it to its end.

handler.py         the settings of a rule
steps.py           the steps of one action, in order
start.py           the steps that start the run
follow.py          the step that follows it
plan.py            what the steps share
limits.py          how long they wait
state.py           what one action keeps between calls
target.py          the two kinds of runs: those whose name the app chooses, and those it has to search for
azureml_jobs.py    jobs of Azure ML, also behind batch endpoints
data_factory.py    runs of Data Factory pipelines
job_definition.py  the job that a rule names: a file, or a registered component
inputs.py          the inputs of a job
parameters.py      the parameters of a Data Factory pipeline
tags.py            tags and names of experiments, within Azure ML's limits
"""
