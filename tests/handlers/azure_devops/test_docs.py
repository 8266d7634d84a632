"""docs/handlers/azure_devops.md agrees with the code."""

from pathlib import Path

from handlers.azure_devops.api import SCOPE
from handlers.azure_devops.handler import AzureDevOps
from schemas import ModelRegistered, RunStatusChanged
from tests.kit.handler_pages import page, rules_of


def test_rules_on_the_page_load_and_plan(tmp_path: Path) -> None:
    rules = rules_of("azure_devops", tmp_path, {})
    assert rules.errors == ()
    assert set(rules.by_name) == {"validate-in-azure-pipelines", "bug-for-failed-runs"}
    for rule in rules.by_name.values():
        event = ModelRegistered.example() if rule.name.startswith("validate") else RunStatusChanged.example()
        assert rule.handler.plan(event)


def test_settings_are_on_the_page() -> None:
    for name in AzureDevOps.model_fields:
        assert f"`{name}`" in page("azure_devops"), name
    assert SCOPE in page("azure_devops")
