"""A model that carries the tag goes from registration to all the traffic."""

from datetime import timedelta

from emulator import Azure
from handlers.azure.ml.names import deployment_name
from handlers.azure.ml.resources import ModelRef
from handlers.deploy.limits import TRAFFIC_SETTLED
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import PROD

SEVEN = deployment_name(ModelRef("churn", "7", workspace=PROD))
EIGHT = deployment_name(ModelRef("churn", "8", workspace=PROD))


def test_the_first_model_gets_an_endpoint_a_deployment_and_all_the_traffic(make: MakeSite, azure: Azure) -> None:
    site = make()
    model = site.register("7")
    site.run()
    assert site.end()[0] == "succeeded"
    assert site.writes() == [
        "PUT onlineEndpoints/churn",
        f"PUT onlineEndpoints/churn/deployments/{SEVEN}",
        "PUT onlineEndpoints/churn",
    ]
    assert azure.endpoints.traffic("churn") == {SEVEN: 100}
    deployment = azure.endpoints.deployments("churn")[SEVEN]
    assert deployment["properties"]["model"] == model
    assert deployment["tags"]["mlevents_rule"] == "deploy-it"
    endpoint = azure.endpoints.get("churn")
    assert endpoint is not None
    assert endpoint["properties"]["authMode"] == "AADToken"
    assert endpoint["tags"]["mlevents_event"] == "churn-7"
    sent = azure.calls.matching("PUT onlineEndpoints/churn")[0].body["properties"]
    assert (sent["authMode"], sent["publicNetworkAccess"]) == ("AADToken", "Enabled")


def test_the_next_one_gets_it_share_by_share(make: MakeSite, azure: Azure) -> None:
    site = make(traffic=[10, 50, 100], keep=0)
    site.register("7")
    site.run()
    before = len(azure.calls.all)
    site.register("8")
    site.run()
    assert site.end("churn-8")[0] == "succeeded"
    shares = [
        call.body["properties"]["traffic"]
        for call in azure.calls.all[before:]
        if call.target.startswith("PUT onlineEndpoints/churn") and "deployments" not in call.path
    ]
    assert shares == [{SEVEN: 90, EIGHT: 10}, {SEVEN: 50, EIGHT: 50}, {EIGHT: 100}]
    assert azure.endpoints.traffic("churn") == {EIGHT: 100}
    assert list(azure.endpoints.deployments("churn")) == [EIGHT]


def test_poll_shortens_neither_the_bake_nor_the_confirmation_of_the_traffic(make: MakeSite, azure: Azure) -> None:
    """The app's clock moves by the pauses only."""
    took = {}
    for poll in (None, "1s"):
        site = make(traffic=[10, 100], bake="1m", poll=poll)
        for version in ("7", "8") if poll else ("5", "6"):
            site.register(version)
            site.run()
        moments = site.actions[f"churn-{version}"].timeline
        took[poll] = moments[-1].at - moments[0].at
    assert azure.endpoints.traffic("churn") == {EIGHT: 100}
    assert timedelta(minutes=1) + 2 * TRAFFIC_SETTLED <= took["1s"] < took[None]
