"""The parameters of a pipeline. tests/handlers/pipeline/test_data_factory.py has those of each type."""

import pytest

from handlers.base import GiveUp
from handlers.launch.parameters import convert_parameter, render_parameters
from handlers.pipeline.handler import Pipeline
from tests.handlers.pipeline.conftest import MakeSite
from tests.handlers.pipeline.site import EVENT, FACTORY, SYNAPSE
from tests.handlers.pipeline.test_data_factory import DECLARED

SECRET = {"type": "SecureString", "defaultValue": ""}


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("Float", "NaN"),
        ("Float", "1e999"),
        ("Float", "-Infinity"),
        ("Array", "[NaN, 1]"),
        ("Object", '{"a": Infinity}'),
        ("Object", '{"a": 1e999}'),
        ("Array", "[" * 100_000),
    ],
)
def test_invalid_json_is_no_parameter(declared: str, text: str) -> None:
    """Python accepts some of these texts as JSON, services accept none."""
    with pytest.raises(GiveUp, match=f"the parameter 'x' should be of type {declared}, not "):
        convert_parameter("x", text, declared)


@pytest.mark.parametrize("owner", [{"data_factory": FACTORY}, {"synapse": SYNAPSE}], ids=["factory", "synapse"])
def test_empty_parameters_of_every_type_are_left_out(owner: dict[str, str], make: MakeSite) -> None:
    """The pipeline's defaults apply. Numbers, false and empty lists are values."""
    is_synapse = "synapse" in owner
    site = make(**owner, pipeline="all", parameters=dict.fromkeys(DECLARED, "{{ data.runTags.none | default('') }} "))
    name = "syn-churn" if is_synapse else "adf-churn"
    site.azure.factories.add(name, {"all": DECLARED | {"secret": SECRET}}, synapse=is_synapse)
    site.handle()
    assert site.outcome[0] == "succeeded", site.outcome
    [call] = site.azure.calls.matching("POST *createRun")
    assert call.body == {"mlevents_key": site.azure.factories.runs(name)[0]["parameters"]["mlevents_key"]}
    parameters = {"a": "", "b": 0, "c": False, "d": [], "e": {}, "f": "{{ '' }}", "g": ["{{ '' }}"], "h": "\n"}
    rendered = render_parameters(
        Pipeline.model_validate({**owner, "pipeline": "p", "parameters": parameters}).parameters, EVENT
    )
    assert rendered == {"b": 0, "c": False, "d": [], "e": {}, "g": [""]}
