"""Starting something that runs, once, and following it to its end: what `do: pipeline` does.

target.py      what can be started: it has a name of our choice, or it has not
start.py       the steps that start it, once
follow.py      the step that follows it
launch.py      the next step
azureml.py     a job of Azure ML, and one behind a batch endpoint
factory.py     a run of a Data Factory pipeline
definition.py  the job that a rule names: a file, or a registered component
inputs.py      what a rule gives it
labels.py      tags and experiment names, within the service's limits
"""
