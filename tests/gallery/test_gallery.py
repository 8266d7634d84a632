"""samples/gallery: each file does what it says on services of this machine, and nothing on events that nearly match."""

import pytest

from tests.gallery import act, notify, pass_on, unsaid
from tests.gallery.need import CANDIDATE, NEEDS, PRODUCTION, Need
from tests.gallery.services import Services
from tests.handlers.deploy.site import EIGHT, SEVEN
from tests.handlers.pipeline.site import QUIET

MODULES = (notify, act, pass_on, unsaid)  # they fill NEEDS
pytestmark = [pytest.mark.services, QUIET]
EACH = pytest.mark.parametrize("need", NEEDS.values(), ids=NEEDS.keys())


@EACH
def test_rules_do_what_the_file_says(need: Need, services: Services) -> None:
    """With the text of the file as it is."""
    need.prepare(services)
    services.run(need.file, *need.acts_on)
    need.expect(services)
    assert services.effects


@EACH
def test_events_that_nearly_match_have_no_effect(need: Need, services: Services) -> None:
    if need.not_on:
        assert services.run(need.file, *need.not_on) == []
    assert services.effects == []


@EACH
def test_duplicates_have_no_second_effect(need: Need, services: Services) -> None:
    """Events come twice, and workers die where the handler's page promises one effect."""
    need.prepare(services)
    services.run(need.file, *need.acts_on, *need.acts_on, dies_after=need.dies_after)
    need.expect(services)


def test_model_that_the_pipeline_rejects_is_not_deployed(services: Services) -> None:
    """Rules with `after` follow a success, unless they name another outcome."""
    act.serving(services)
    services.devops.result = "failed"
    [ended] = services.run("ci/azure-pipelines-then-deploy", CANDIDATE)
    assert (ended.rule, ended.status) == ("validate-in-azure-pipelines", "failed")
    assert services.azure.endpoints.traffic("churn") == {SEVEN: 100}


def test_roll_out_that_succeeds_posts_no_card(services: Services) -> None:
    act.serving(services)
    services.run("deploy/card-on-rollback", PRODUCTION)
    assert services.azure.endpoints.traffic("churn") == {EIGHT: 100}
    assert services.requests == []
