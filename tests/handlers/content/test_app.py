"""What a message says about this app."""

import socket

import pytest

from handlers.content.app import app_name, history_button
from handlers.content.button import Button
from schemas import RunStatusChanged
from schemas.alert import Alert
from web.access import SETTING


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"WEBSITE_SITE_NAME": "func-ml", "WEBSITE_SLOT_NAME": "Production"}, "func-ml"),
        ({"WEBSITE_SITE_NAME": "func-ml"}, "func-ml"),
        ({"WEBSITE_SITE_NAME": "func-ml", "WEBSITE_SLOT_NAME": "staging"}, "func-ml-staging"),
        ({"WEBSITE_HOSTNAME": "localhost:7071"}, "localhost:7071"),
        ({}, socket.gethostname()),
    ],
)
def test_app_is_named_as_in_azure(environment: dict[str, str], name: str) -> None:
    assert app_name(environment) == name


OPEN = {"WEBSITE_HOSTNAME": "my-events.azurewebsites.net", SETTING: "Entra"}


def test_page_of_an_event_is_found_by_its_id() -> None:
    event = RunStatusChanged.example(id="a b&c=/ü")
    url = "https://my-events.azurewebsites.net/api/web/find?name=a+b%26c%3D%2F%C3%BC"
    assert history_button(event, OPEN) == Button("What the app did", url)


def test_alert_has_the_page_of_the_app() -> None:
    button = history_button(Alert.of("failed actions", "a-rule", "summary"), OPEN)
    assert button == Button("Open the app's page", "https://my-events.azurewebsites.net/api/web")


@pytest.mark.parametrize(
    "changes",
    [
        {SETTING: ""},
        {SETTING: "key"},
        {"WEBSITE_HOSTNAME": ""},
        {"WEBSITE_HOSTNAME": "localhost:7071"},
        {"WEBSITE_HOSTNAME": "evil.example/x?"},
    ],
)
def test_page_that_nobody_could_open_is_not_linked(changes: dict[str, str]) -> None:
    assert history_button(RunStatusChanged.example(), OPEN | changes) is None
