"""Rules and files on a page of the docs about a handler."""

import re
from collections.abc import Mapping
from pathlib import Path

from dispatch.rules import load
from dispatch.rules.rule import Rules
from tests.kit.started import ROOT
from tests.kit.world import SETTINGS, WORKSPACES


def page_of(name: str) -> str:
    return (ROOT / "docs/handlers" / name).read_text(encoding="utf-8")


def rules_of(page: str, folder: Path, settings: Mapping[str, str], file: str) -> Rules:
    """The rules and the alerts of a page, loaded. `file` is the name under which its JSON lies beside them."""
    rules = "".join(re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    [content] = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (folder / file).parent.mkdir()
    (folder / file).write_text(content, encoding="utf-8")
    [alerts] = re.findall(r"`(alerts: .*?)`", page)
    (folder / "workspaces.yaml").write_text(f"{WORKSPACES}{alerts}\n", encoding="utf-8")
    (folder / "team.yaml").write_text("rules:\n" + "".join(f"  {line}\n" for line in rules.splitlines()))
    return load(folder, {**SETTINGS, **settings})


def keys_of(page: str) -> set[str]:
    """The settings that a page's table lists."""
    table = page.partition("## Settings of a rule")[2].partition("\n#")[0]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", table, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"\w+", row)}
