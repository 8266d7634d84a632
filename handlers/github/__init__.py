"""``do: github``: start a workflow, send an event to a repository, or open an issue.

handler.py    the settings of a rule
api.py        GitHub's REST API, and what its answers mean
app.py        tokens of a GitHub App
workflow.py   a run of a workflow
issue.py      an issue per subject, with a comment per event
"""
