"""docs/facts.md lists every key, and its rule loads."""

import re
from pathlib import Path

from pydantic import BaseModel

from dispatch.rules import load
from schemas import EVENT_TYPES
from schemas.facts import FACTS
from tests.kit.world import SETTINGS, WORKSPACES

PAGE = (Path(__file__).parents[3] / "docs" / "facts.md").read_text(encoding="utf-8")


def keys_of(model: type[BaseModel], prefix: str) -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= keys_of(inner, f"{prefix}{name}.")
        else:
            found.add(prefix + name + (".…" if "Mapping" in str(inner) else ""))
    return found


def test_page_lists_every_key() -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if re.match(r"\| `(run|model|endpoint)\.", line)]
    listed = {key for row in rows for key in re.findall(r"`([^`]+)`", row)}
    known = set().union(*(keys_of(model, f"{name}.") for name, model in FACTS.items()))
    shared = {key for key in known if key.rpartition(".")[2] in ("unavailable", "missing", "transient")}
    assert listed == known - shared


def test_page_lists_the_facts_of_each_event_type() -> None:
    rows = {line.split("|")[1]: line.split("|")[2] for line in PAGE.splitlines() if line.startswith("| `")}
    for event in EVENT_TYPES.values():
        listed = next((facts for names, facts in rows.items() if f"`{event.__name__}`" in names), "")
        assert set(re.findall(r"`(run|model|endpoint)`", listed)) == set(event.facts), event.__name__


def test_rule_of_the_page_loads(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "workspaces.yaml").write_text(WORKSPACES)
    text = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
    (folder / "rules.yaml").write_text(text)
    loaded = load(folder, SETTINGS)
    assert (loaded.errors, loaded.warnings) == ((), ())
