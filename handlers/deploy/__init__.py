"""Rolling a model out behind an endpoint, step by step: what `do: deploy` does.

plan.py      what is to be done, and what is remembered of it from call to call
wanted.py    may this model version be deployed here, now?
forward.py   the steps that make a deployment and give it the traffic
back.py      the steps that undo that
traffic.py   who gets how much
names.py     names of endpoints and deployments; which version is the later one
patience.py  how long what goes wrong is tried again
smoke.py     the request that a new deployment must answer
"""
