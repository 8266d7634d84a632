"""`Definition`: azure-ai-ml loads a file quietly."""

import subprocess
import sys
from pathlib import Path

import pytest

from handlers.azure.ml.workspace import client_class

ROOT = Path(__file__).parents[5]
# The first use of azure-ai-ml in a process is the load of a file with classes that it calls experimental.
LOAD = """
import logging
from pathlib import Path
from handlers.azure.ml.cli.definition import Definition
logging.basicConfig(level=logging.INFO)
text = "name: blue\\nendpoint_name: e\\nmodel: azureml:m:1\\ninstance_type: Standard_DS3_v2\\n"
text += "data_collector: {collections: {x: {enabled: 'True'}}}\\n"
definition = Definition(text, Path("blue.yml"), "load_online_deployment")
print(definition.load({}).name)
"""


@pytest.mark.services
def test_loading_a_file_prints_and_logs_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", LOAD], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("blue\n", "")


def test_an_upload_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """azure-ai-ml's modules for uploads print the code of a colour after each."""
    client_class()
    for name in ("_blob_storage_helper", "_gen2_storage_helper"):
        module = sys.modules[f"azure.ai.ml._artifacts.{name}"]
        assert "print(Fore.RESET" in Path(str(module.__file__)).read_text(encoding="utf-8")  # or this is superfluous
        vars(module)["print"]("\x1b[39m\n", file=sys.stderr)
    assert capsys.readouterr() == ("", "")
