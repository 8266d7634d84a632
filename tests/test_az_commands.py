"""The `az eventgrid` commands of the documents: their options exist."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "docs" / f"{name}.md" for name in ("deploying-by-commands", "event-grid")]
# Of azure-cli 2.91, command module eventgrid: what the documents use, and what is mistaken for it.
OPTIONS = {
    "system-topic create": {"-g", "-n", "--location", "--topic-type", "--source", "--identity"},
    "system-topic show": {"-g", "-n", "--query", "-o"},
    "system-topic event-subscription create": {
        *("-g", "-n", "--system-topic-name", "--endpoint", "--endpoint-type", "--deadletter-endpoint"),
        *("--storage-queue-msg-ttl", "--event-ttl", "--max-delivery-attempts", "--max-events-per-batch"),
    },
}
ENDPOINT_TYPES = {"azurefunction", "storagequeue"}


def commands(text: str) -> list[list[str]]:
    """The words of each `az eventgrid` command in the blocks of a document."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").replace("$(", " ").replace(")", " ").splitlines()
    found = [re.sub(r"^.*?(?=az eventgrid)", "", line) for line in lines if "az eventgrid" in line]
    return [shlex.split(line) for line in found]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_az_eventgrid_has_the_options_of_the_documents(document: Path) -> None:
    found = commands(document.read_text(encoding="utf-8"))
    assert len(found) >= 2
    for words in found:
        options = {word for word in words if re.match(r"--?[a-z]", word)}
        verb = " ".join(words[2 : next(n for n, word in enumerate(words) if word.startswith("-"))])
        assert options <= OPTIONS[verb], words
        if "--endpoint-type" in options:
            assert words[words.index("--endpoint-type") + 1] in ENDPOINT_TYPES


def test_no_document_uses_options_that_az_gets_wrong() -> None:
    """docs/event-grid.md, "What az gets wrong"."""
    for document in DOCUMENTS:
        for words in commands(document.read_text(encoding="utf-8")):
            assert not {"--mi-system-assigned", "--delivery-identity"} & set(words)
            assert "event-subscription" not in words or "--endpoint-type" in words
