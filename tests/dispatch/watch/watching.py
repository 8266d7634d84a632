"""`Watching`: a world with rules on events of the watch, and its record."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from dispatch.app import App
from dispatch.watch.looks import look_at_all
from tests.dispatch.watch.azure import FakeAzure
from tests.kit.world import SETTINGS, WORKSPACES, World

WORKSPACE = SETTINGS["RULES_WS_CHURN_PROD"]
REGISTRY = WORKSPACE.replace("/workspaces/churn-prod", "/registries/churn-registry")
EVERY = timedelta(minutes=5)

_WORKSPACES = "\n".join(line for line in WORKSPACES.splitlines() if "churn-dev" not in line)
_RULES = """
rules:
  - { name: watched, on: [TYPES], do: "SCRIPTED", with: { world: WORLD } }
"""


@dataclass
class Watching:
    """A world, what it watches, and a way to read what was raised."""

    world: World
    azure: FakeAzure = field(init=False)

    @classmethod
    def on(cls, folder: Path, *types: str) -> "Watching":
        workspaces = f"{_WORKSPACES}\nregistries:\n  churn-registry: {{ id: {REGISTRY} }}\nalerts: {{ do: log }}\n"
        return cls(World(_RULES.replace("TYPES", ", ".join(types)), folder, workspaces=workspaces))

    def look(self, app: App | None = None, after: timedelta = EVERY) -> list[dict[str, Any]]:
        """Look once, later; returns the events that this look has added to the record, the oldest first."""
        self.world.clock.time += after
        before = {event["id"] for event in self.raised()}
        look_at_all(app or self.world.app, lambda: True)
        return [event for event in self.raised() if event["id"] not in before]

    def raised(self) -> list[dict[str, Any]]:
        """The events of the app on record, without alerts, the oldest first."""
        inbox = self.world.app.inbox
        found = [event for day in inbox.history.days() for event in inbox.history.day(day).events.values()]
        events = [json.loads(event.raw) for event in found]
        return sorted(
            (event for event in events if event["eventType"].startswith("Mlevents.")),
            key=lambda event: event.get("eventTime", ""),
        )
