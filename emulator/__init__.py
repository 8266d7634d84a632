"""A stand-in for Azure on this machine: what the real azure-ai-ml, azure-identity and a scoring client talk to.

    with Azure(WORKSPACE, storage=azurite.connection_string) as azure:
        azure.models.register("churn", "7", {"stage": "production"})            # raises ModelRegistered
        client = MLClient(azure.credential(), subscription, group, workspace, **azure.client_options)
        ...
        assert azure.endpoints.traffic("churn") == {"churn-7-1a2b3c4d": 100}
        assert [call.line for call in azure.calls.all] == [...]

It serves HTTPS on a free port of localhost, with a certificate of an authority that lives as long as the ``with``:

* Resource Manager's Microsoft.MachineLearningServices: workspaces, models, environments, code, data, components,
  datastores, computes, usages and sizes of machines, online endpoints (managed and Kubernetes), batch endpoints, their
  deployments, jobs, long-running operations, uploads to a storage account;
* its Microsoft.DataFactory: pipelines and their runs;
* registries, and the discovery that leads to them; run history;
* the scoring URIs of endpoints; App Service's managed-identity endpoint; cloud metadata.

Jobs and runs take a while, by its own clock, which can be moved; they end well, or badly if that was asked for. What
happens raises the events that the service would raise, and Event Grid delivers them to a URL::

        azure.jobs.set_duration(seconds=60)
        azure.jobs.fail("churn-*", "no such column", times=1)
        azure.jobs.register_model("churn-*", "churn", {"stage": "production"})
        azure.events.deliver_to(url)
        azure.jobs.raise_drift()                                               # a model monitor finds some
        azure.clock.forward(minutes=2)
        assert [job["properties"]["status"] for job in azure.jobs.all] == ["Failed"]

It refuses what the service would refuse, in Resource Manager's error envelope: an api-version that Microsoft has not
published for the resource type, a body that lacks or misspells something (api-version 2025-12-01 of the published
schema), a name out of limits, traffic that does not sum to 0 or 100, a deployment that does not exist, a foreign token,
a change while another one is in progress. Everything is in memory and thread-safe.

The app finds it by app settings, `Azure.settings`:

* ``MLEVENTS_ARM_ENDPOINT``: Resource Manager's URL, ``https://localhost:PORT``, also for registry discovery;
* ``IDENTITY_ENDPOINT`` and ``IDENTITY_HEADER``: as in a function app that has an identity;
* ``REQUESTS_CA_BUNDLE`` and ``SSL_CERT_FILE``: a file with all the authorities that were trusted before, and this one.

A *match* says which calls something is about: a glob like ``PUT onlineEndpoints/churn/deployments/*``, whose method may
be left out, compared without regard to case with the path as from the workspace on, and as a whole. Left out, it is
every call but look-ups of operations, which the client's poller makes when it likes; ``* *`` is every call.
"""

from emulator.azure import WORKSPACE, Azure
from emulator.http.call import Call
from emulator.http.response import ErrorResponse
from emulator.identity.tokens import TENANT

__all__ = ["TENANT", "WORKSPACE", "Azure", "Call", "ErrorResponse"]
