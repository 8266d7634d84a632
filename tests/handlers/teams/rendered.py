"""A page that shows Adaptive Cards by Microsoft's renderer, in the colors of Teams, and a picture of one for the docs.

    python -m tests.handlers.teams.rendered docs/handlers/teams.png

The colors are those that Teams has on a computer with its light theme; the font is the machine's.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handlers.base import Action, Result
from handlers.content.app import history_button
from handlers.content.summary import summarize
from handlers.teams.card import default_message
from schemas import Context, ModelRegistered
from tests.kit.chromium import chromium
from tests.kit.started import ROOT

RENDERER = ROOT / "node_modules/adaptivecards/dist/adaptivecards.min.js"

_BACKGROUNDS = {
    "default": "#ffffff",
    "emphasis": "#f5f5f5",
    "good": "#e7f2da",
    "attention": "#fcf4f6",
    "warning": "#fbf6d9",
    "accent": "#e9eaf6",
}
_TEXT = {"default": "#242424", "subtle": "#616161"}
_CONFIG = {
    "fontFamily": "'Segoe UI', 'DejaVu Sans', sans-serif",
    "fontSizes": {"small": 12, "default": 14, "medium": 16, "large": 18, "extraLarge": 24},
    "spacing": {"small": 6, "default": 10, "medium": 16, "large": 24, "extraLarge": 32, "padding": 16},
    "separator": {"lineThickness": 1, "lineColor": "#e1e1e1"},
    "actions": {"actionsOrientation": "horizontal", "actionAlignment": "left", "buttonSpacing": 8},
    "containerStyles": {
        name: {"backgroundColor": color, "foregroundColors": {"default": _TEXT}} for name, color in _BACKGROUNDS.items()
    },
}
_STYLE = """
body { margin: 12px; background: #f5f5f5 }
div.card { width: 620px; overflow: hidden; background: #fff; border: 1px solid #e1e1e1; border-radius: 6px }
.ac-pushButton { padding: 6px 12px; border: 1px solid #d1d1d1; border-radius: 4px; background: #fff; color: #242424;
  font: 600 13px 'Segoe UI', 'DejaVu Sans', sans-serif }
"""
_SCRIPT = """
for (const [name, card] of Object.entries(CARDS)) {
  const shown = new AdaptiveCards.AdaptiveCard();
  shown.hostConfig = new AdaptiveCards.HostConfig(CONFIG);
  shown.parse(card);
  const place = document.body.appendChild(document.createElement("div"));
  place.className = "card";
  place.id = name;
  place.appendChild(shown.render());
}
"""


def page_of(cards: Mapping[str, Any]) -> str:
    """The HTML of a page with these cards, each in an element whose id is its name."""
    data = f"const CARDS = {_in_script(cards)}, CONFIG = {_in_script(_CONFIG)};"
    scripts = "".join(f"<script>{code}</script>" for code in (RENDERER.read_text(encoding="utf-8"), data, _SCRIPT))
    return f"<!doctype html><meta charset=utf-8><title>Cards</title><style>{_STYLE}</style><body>{scripts}</body>"


def _in_script(value: Any) -> str:
    return json.dumps(value).replace("<", "\\u003c")


def example() -> Any:
    """The card of a roll-out that was rolled back."""
    details = {"link": "https://ml.azure.com/endpoints/realtime/churn-eu/detail"}
    summary = (
        "Rolled back churn:7 on churn-eu: 12 % of 1,200 requests failed, and at most 2 % may. All traffic is on blue."
    )
    workspace = {"name": "churn-prod", "labels": {"env": "prod"}, "timezone": "Europe/Berlin"}
    result = Result("deploy-churn", "failed", summary, details)
    event = Context(ModelRegistered.example(), workspace, result.view()).event_for_handler()
    history = history_button(event, {"WEBSITE_HOSTNAME": "my-events.azurewebsites.net", "MLEVENTS_WEB": "entra"})
    return default_message(summarize(event, Action()), history)["attachments"][0]["content"]


def draw(path: Path) -> None:
    """Draw the example."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 660, "height": 400})
        page.set_content(page_of({"card": example()}))
        page.locator("#card").screenshot(path=path)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
