"""docs/storage.md: its rule, from the event of the emulated storage account to the job with its input."""

import re
from pathlib import Path

import yaml

from emulator import Azure
from schemas import parse_event
from tests.handlers.pipeline.site import QUIET
from tests.kit.emulator import shared_clock
from tests.kit.world import ACCOUNT, World

ROOT = Path(__file__).parents[3]
WORKSPACES, RULES = re.findall(
    r"^```yaml\n(.*?)^```$", (ROOT / "docs/storage.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
pytestmark = QUIET


def test_the_sample_rule_is_that_of_the_page() -> None:
    """Except that the page adds a prefix."""
    [rule] = yaml.safe_load(RULES)["rules"]
    [sample] = [
        each
        for each in yaml.safe_load((ROOT / "samples/rules/azureml.yaml").read_text(encoding="utf-8"))["rules"]
        if each["name"] == rule["name"]
    ]
    assert {**sample, "when": rule["when"], "with": {**sample["with"], "inputs": rule["with"]["inputs"]}} == rule


def test_a_file_that_arrives_starts_one_job_with_its_folder(azure: Azure, tmp_path: Path) -> None:
    """In a data lake, too, where the file raises two events. Other files start none."""
    azure.workspaces.add_compute("cpu-cluster", workspace="churn-dev")
    world = World(RULES, tmp_path, workspaces=WORKSPACES, clock=shared_clock(azure))
    assert world.loaded.errors == ()
    azure.blobs.declare(ACCOUNT)
    azure.blobs.put("exports/daily/churn.csv", lake=True)
    azure.blobs.put("exports/daily/churn.txt")
    azure.blobs.put("exports/weekly/churn.csv")
    azure.blobs.put("others/daily/churn.csv")
    world.receive(*[parse_event(event) for event in azure.events.all])
    world.run()
    [job] = azure.jobs.all
    assert job["properties"]["inputs"]["data"]["uri"] == "azureml://datastores/landing/paths/daily"
    assert world.ends() == {"train-on-new-export": "succeeded"}
