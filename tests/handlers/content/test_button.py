"""The button of a mail."""

import pytest

from handlers.base import Result
from handlers.content.button import button_of, is_studio_link
from handlers.content.result import FollowedResult
from schemas import ModelRegistered, RunCompleted
from schemas.alert import Alert


def label(link: str) -> str | None:
    result = FollowedResult.of(Result("r", "succeeded", "done", {"link": link}).view(), "run r")
    button = button_of(RunCompleted.example(), result)
    return button.label if button and button.url == link else None


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://ml.azure.com/runs/r?wsid=x", "Open the run"),
        ("https://ml.azure.com/endpoints/realtime/e/detail", "Open the endpoint"),
        ("https://ml.azure.com/endpoints?wsid=x", "Open the endpoints"),
        ("https://ml.azure.com/other", "Open Azure ML studio"),
        ("https://adf.azure.com/monitoring/pipelineruns/r", "Open the pipeline run"),
        ("https://web.azuresynapse.net/en/monitoring/pipelineruns/r", "Open the pipeline run"),
        ("https://tickets.example.com/ML-7", "Open tickets.example.com"),
        ("http://ml.azure.com/runs/r", None),
        ("javascript:alert(1)", None),
        ("https://", None),
        ("https://[", None),
        ("https://ml.azure.com/a b", None),
        ("https://ml.azure.com/\x1b", None),
        ("https://ml.azure.com/" + "x" * 2_000, None),
    ],
)
def test_button_opens_the_link_of_a_result(link: str, expected: str | None) -> None:
    """If it is a web address; a page outside of the studios is named."""
    assert label(link) == expected


def test_button_opens_the_object_of_the_event() -> None:
    button = button_of(ModelRegistered.example(), None)
    assert button
    assert button.label == "Open the model"
    assert button.url == ModelRegistered.example().studio_url


def test_alert_about_the_app_has_no_button() -> None:
    assert button_of(Alert.of("refused rules", "x", "y"), None) is None


@pytest.mark.parametrize(
    "url", ["https://ml.azure.com.evil.example/x", "https://x@ml.azure.com/", "https://ml.azure.co"]
)
def test_other_hosts_are_no_studio(url: str) -> None:
    assert not is_studio_link(url)
