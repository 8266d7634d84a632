"""The rules on a handler's page in docs/handlers."""

import re
from pathlib import Path

import yaml

from dispatch.rules import load
from dispatch.rules.rule import Rules
from tests.kit.world import SETTINGS, WORKSPACES

_PAGES = Path(__file__).resolve().parents[2] / "docs/handlers"


def page(name: str) -> str:
    """The text of a page."""
    return (_PAGES / f"{name}.md").read_text(encoding="utf-8")


def rules_of(name: str, folder: Path, settings: dict[str, str]) -> Rules:
    """The rules on a page, loaded from a folder. Other blocks of YAML on the page are no lists."""
    blocks = re.findall(r"```yaml\n(.*?)```", page(name), re.DOTALL)
    text = "".join(
        block for block in blocks if isinstance(yaml.safe_load(block), list) and block.startswith("- name: ")
    )
    (folder / "workspaces.yaml").write_text(WORKSPACES)
    (folder / "team.yaml").write_text("rules:\n" + "".join(f"  {line}\n" for line in text.splitlines()))
    return load(folder, {**SETTINGS, **settings})
