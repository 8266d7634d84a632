"""``do: azure_devops``: run a pipeline, or open a work item.

handler.py     the settings of a rule
api.py         Azure DevOps' REST API, and what its answers mean
pipeline.py    a run of a pipeline
work_item.py   a work item per action
"""
