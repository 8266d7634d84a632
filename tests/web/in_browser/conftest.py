"""The pages of a real local host in a real browser: ordinary events, refused rules, a pause, and a hostile event."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
import requests

from dispatch.app import App
from dispatch.inbox.pauses import Pause
from mlevents.local.app import LocalApp
from schemas import ModelRegistered, RunCompleted, RunStatusChanged
from tests.kit.chromium import chromium
from tests.kit.processes import EXAMPLE, settings_of
from tests.kit.started import ROOT
from tests.kit.world import SETTINGS, WORKSPACES, entry, rules
from tests.web.hostile import SCRIPT, WAYS, echo_rules, hostile_event

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RUN = "brave_kiwi_1"
MAIL = {"name": "mail", "on": "RunStatusChanged", "when": f"data.runId StringIn {RUN}", "do": "email"}
RULES = (
    *(entry({**keys, "when": f"data.runId StringNotIn {RUN}"}) for keys in echo_rules()),
    entry({**MAIL, "with": "{ to: ml-team@example.com }"}),
    entry({"name": "log-mail", "after": "{ rules: [mail] }", "do": "log"}),
    entry({"name": "held", "on": "ModelRegistered", "do": "log"}),
)


@dataclass(frozen=True)
class Site:
    """The pages of a running app. Paths are those behind the address of the overview."""

    local: LocalApp
    ordinary: str  # the path of an event with a mail
    hostile: str  # the path of an event whose texts are an attack

    @property
    def origin(self) -> str:
        """The address of the overview."""
        return f"{self.local.url}/api/web"

    @property
    def paths(self) -> dict[str, int]:
        """Every kind of page, and its status."""
        found = ["", "events", "events?status=failed", f"find?name={RUN}", "find", "rules", "rejected"]
        found += [f"{path}/guards" for path in (self.ordinary, self.hostile)] + [f"{self.ordinary}/sent/mail"]
        questions = [f"replay?{urlencode({'event': self.hostile.removeprefix('events/')})}", "replay-failed", "resume"]
        found += [*questions, "pause", "pause?rule=mail"]
        return {**dict.fromkeys([*found, self.ordinary, self.hostile], 200), "missing": 404, "events?status=lost": 400}


@pytest.fixture(scope="session")
def site(azurite_connection: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running app whose record has everything that pages show."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "workspaces.yaml").write_text(WORKSPACES)
    (folder / "team.yaml").write_text(rules(*RULES))
    (folder / "broken.yaml").write_text(rules(entry({"name": "broken", "on": "Nothing", "do": "log"})))
    settings = {**settings_of(azurite_connection, folder), **SETTINGS, "EMAIL_ACS_ENDPOINT": ""}
    with LocalApp(ROOT, settings=settings, settings_file=EXAMPLE, folder=folder / "state") as local:
        inbox = App.from_settings(local.environment, ROOT).inbox
        now = datetime.now(UTC)
        day, at = f"{now:%Y-%m-%d}", now.isoformat().replace("+00:00", "Z")
        inbox.pauses.begin(Pause("held", "a test", now))
        ordinary = RunStatusChanged.example(id="ordinary", runId=RUN, eventTime=at)
        hostile = hostile_event(SCRIPT, 10_000, eventTime=at)
        for event in (
            *(each.wire() for each in (ordinary, ModelRegistered.example(id="model", eventTime=at))),
            *(hostile, {**hostile, "eventType": f"Evil{SCRIPT}"}),
            {**RunCompleted.example(id="incomplete").wire(), "data": {"runId": SCRIPT}},
        ):
            _deliver(local, event)
        local.wait(lambda: _settled(local) >= {"mail", "log-mail", *WAYS})
        local.invoke("sweep")
        paths = {event.id: f"events/{day}/{key}" for key, event in inbox.history.day(day).events.items()}
        yield Site(local, paths["ordinary"], paths[hostile["id"]])


def _deliver(local: LocalApp, event: dict[str, Any]) -> None:
    headers = {"aeg-event-type": "Notification"}
    response = requests.post(local.url_of("azureml_event"), json.dumps([event]), headers=headers, timeout=30)
    assert response.status_code == 202, response.text


def _settled(local: LocalApp) -> set[str]:
    return {each["rule"] for each in local.records if each["name"] == "action.settled"}


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Chromium."""
    with chromium() as browser:
        yield browser
