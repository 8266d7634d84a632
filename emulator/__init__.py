"""An emulator of Azure for one machine, for the real azure-ai-ml, azure-identity and scoring clients.

    with Azure(WORKSPACE, storage=azurite.connection_string) as azure:
        azure.models.register("churn", "7", {"stage": "production"})            # raises ModelRegistered
        client = MLClient(azure.credential(), subscription, group, workspace, **azure.client_options)
        ...
        assert azure.endpoints.traffic("churn") == {"churn-7-1a2b3c4d": 100}
        assert [call.line for call in azure.calls.all] == [...]

It serves HTTPS on a free port of localhost, with a certificate of a temporary authority:

* Resource Manager's Microsoft.MachineLearningServices: workspaces, models, environments, code, data, components,
  datastores, computes, usages and machine sizes, online endpoints (managed and Kubernetes), batch endpoints, their
  deployments, jobs, long-running operations, uploads to a storage account;
* Resource Manager's Microsoft.DataFactory: pipelines and their runs;
* resource groups, function apps, role assignments, and Event Grid's topics, as far as the tool uses them;
* registries and their discovery; run history, with errors, logs and metrics of runs;
* Azure Monitor's metrics of online endpoints;
* the scoring URIs of endpoints; App Service's managed-identity endpoint; cloud metadata.

Jobs and runs take time by the emulator's clock, which tests can move; they complete unless a failure is planned. They
raise the events that Azure ML raises, and Event Grid delivers these to a URL::

        azure.jobs.set_duration(seconds=60)
        azure.jobs.fail("churn-*", "no such column", times=1)
        azure.jobs.register_model("churn-*", "churn", {"stage": "production"})
        azure.events.deliver_to(url)
        azure.jobs.raise_drift()                                               # by a model monitor
        azure.clock.forward(minutes=2)
        assert [job["properties"]["status"] for job in azure.jobs.all] == ["Failed"]

It rejects what Azure rejects, in Resource Manager's error envelope: an api-version that is not published for the
resource type, a body that violates the published schema, an invalid name, traffic that does not sum to 0 or 100, a
missing deployment, an invalid token, a change during another one. Everything is in memory and thread-safe.

The app settings in `Azure.settings` direct the app to the emulator:

* ``MLEVENTS_ARM_ENDPOINT``: Resource Manager's URL, ``https://localhost:PORT``, also for registry discovery;
* ``IDENTITY_ENDPOINT`` and ``IDENTITY_HEADER``: as in a function app with an identity;
* ``REQUESTS_CA_BUNDLE`` and ``SSL_CERT_FILE``: a bundle of the authorities trusted before and the emulator's.

A *match* selects calls by a glob like ``PUT onlineEndpoints/churn/deployments/*``, with an optional method. It ignores
case, and matches the whole path or the part below the workspace. The default is every call except polls of operations,
whose number depends on the client's timing; ``* *`` is every call.
"""

from emulator.azure import WORKSPACE, Azure
from emulator.http.call import Call
from emulator.http.response import ErrorResponse
from emulator.identity.tokens import TENANT

__all__ = ["TENANT", "WORKSPACE", "Azure", "Call", "ErrorResponse"]
