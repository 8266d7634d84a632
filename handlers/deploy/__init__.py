"""``do: deploy``: roll a registered model out behind an endpoint, step by step, or roll it back.

handler.py        the handler itself
settings.py       the settings of a rule
files/            the CLI's YAML files that a rule names
steps.py          takes the step that is due; the order of all steps
plan.py           what one roll-out has to do
state.py          what a roll-out keeps between calls
limits.py         how long a step waits, for what
preconditions.py  steps: may this model version be deployed here, now?
endpoint.py       step: create the endpoint, or delete it again if that fails
deployment.py     steps: create the deployment and test it
rollout.py        steps: move the traffic to it, share by share
cleanup.py        steps: delete older deployments
rollback.py       steps: restore the traffic, delete the deployment, report the failure
step_retry.py     how long a failing step is retried, and when its failure starts the rollback
checks/           the smoke test of a new deployment, and the guard between shares
traffic.py        how traffic is split between deployments
"""
