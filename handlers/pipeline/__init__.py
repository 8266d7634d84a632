"""``do: pipeline``: start a pipeline, and follow its run to the end, by the steps of `handlers.launch`.

handler.py         the settings of a rule
azureml_jobs.py    jobs of Azure ML, also behind batch endpoints
job_definition.py  the job that a rule names: a file, or a registered component
inputs.py          the inputs of a job
tags.py            tags and names of experiments, within Azure ML's limits
"""
