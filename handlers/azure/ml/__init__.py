"""Azure Machine Learning, behind one gateway: nothing outside this package imports azure.ai.ml or knows its flaws.

    gateway.py     `AzureML`: one workspace; its client, its models, its quota
    online.py      online endpoints and their deployments, managed and on Kubernetes
    batch.py       batch endpoints and their deployments
    jobs.py        jobs: started, looked at, canceled
    components.py  registered components
    invocations.py jobs behind batch endpoints; `data_plane` is what they and run history are asked through
    history.py     why a job failed
    resources.py   what is read from Azure ML, as plain data
    arm.py         Resource Manager itself, for what the client cannot do or does wrongly
    transport.py   how requests are sent; `cloud` says where to
    errors.py      what Azure ML's errors mean, where their HTTP status does not say

What is created, uploaded and deleted goes through azure-ai-ml, which users know and which builds the bodies. Endpoints
and deployments are read, and traffic is changed, through Resource Manager: the client's own way to change traffic
writes back an old preview's view of the endpoint, and its way to look at a long-running operation is a thread.
"""
