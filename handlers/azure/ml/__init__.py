"""Azure Machine Learning. Only this package imports azure.ai.ml, and works around its bugs.

    workspace.py          `AzureML`: one workspace; its client, its models, its quota
    endpoints.py          what online and batch endpoints have in common
    online_endpoints.py   online endpoints and their deployments, managed and on Kubernetes
    endpoint_metrics.py   how the requests to a deployment went
    batch_endpoints.py    batch endpoints and their deployments
    batch_invocations.py  starts jobs behind batch endpoints
    batch_jobs.py         lists the jobs of a batch endpoint
    jobs.py               starts, reads and cancels jobs
    assets.py             references to versions of assets, and what `latest` stands for
    components.py         registered components
    run_history.py        why a job failed
    data_plane.py         requests to Azure ML's own services, which Resource Manager does not serve
    names.py              names of endpoints and deployments; the order of versions
    resources.py          what is read from Azure ML, as plain data

Creating, uploading and deleting goes through azure-ai-ml, which users know and which builds the bodies. Reading
endpoints and deployments and changing traffic goes through Resource Manager: azure-ai-ml changes traffic with an old
preview API, which drops newer properties of the endpoint, and polls operations in a thread.
"""
