"""The documents: their code and rules run, their names can be imported, and their links and paths exist."""

import re
import sys
from collections.abc import Iterator
from functools import reduce
from importlib import import_module
from pathlib import Path

import pytest

from dispatch.rules import load
from docs.generate import PAGES
from handlers import builtin
from mlevents.__main__ import COMMANDS
from mlevents.testing import RecordingServer, run_rules
from mlevents.testing.__main__ import PORT
from schemas import RunStatusChanged, parse_event
from tests.kit.world import SETTINGS, WORKSPACES

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
HANDLER_PAGE = (ROOT / "docs/handlers/writing-a-handler.md").read_text(encoding="utf-8")
DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "*/README.md", "tests/*/README.md") for path in ROOT.glob(pattern)
)
EACH_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
MAX_LINE = 120  # characters
SOURCE = re.compile(
    r"(?<![\w./-])(?:tests|dispatch|handlers|schemas|mlevents|emulator|benchmarks|samples)/(?!acme/)[\w/-]+\.py\b"
)


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The first handler of docs/handlers/writing-a-handler.md, in the package that its rule names."""
    code = blocks("python", HANDLER_PAGE)[0]
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "chat.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme"]:
        del sys.modules[name]


def test_first_rule_of_a_new_handler_runs(acme: Path) -> None:
    """docs/handlers/writing-a-handler.md shows what the service prints."""
    [rule] = blocks("yaml", HANDLER_PAGE)
    [printed] = re.findall(r"`POST /hook (.*?)`", HANDLER_PAGE)
    with RecordingServer() as server:
        sample = parse_event((ROOT / "samples/run_status_changed.json").read_text(encoding="utf-8"))
        [ended] = run_rules(rule.replace(str(PORT), str(server.port)), sample)
    assert ended.status == "succeeded", ended.note
    assert [request.text for request in server.requests] == [printed]
    for command, name in re.findall(r"^\.venv/bin/(mlevents|python -m) (\S+)", HANDLER_PAGE, re.MULTILINE):
        assert command != "mlevents" or name in COMMANDS


def test_index_of_handlers_has_the_built_in_ones() -> None:
    page = (ROOT / "docs/handlers/README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[?`([\w.:]+)`", page, re.MULTILINE)
    assert sorted(listed) == sorted([*builtin(), "acme.chat:Chat"])


def test_rule_of_the_readme_loads(tmp_path: Path) -> None:
    [rules] = blocks("yaml")
    (tmp_path / "workspaces.yaml").write_text(WORKSPACES)
    (tmp_path / "churn.yaml").write_text(rules)
    loaded = load(tmp_path, SETTINGS)
    assert loaded.errors == ()
    assert [rule.name for rule in loaded.matching(loaded.context(RunStatusChanged.example()))] == ["mail-failed-runs"]


def test_error_in_the_readme_is_what_check_prints(tmp_path: Path) -> None:
    [documented] = re.findall(r"^    (rules/churn.yaml:.*)$", README, re.MULTILINE)
    folder = tmp_path / "rules"
    folder.mkdir()
    [rules] = blocks("yaml")
    (folder / "workspaces.yaml").write_text(WORKSPACES)
    (folder / "churn.yaml").write_text(rules.replace("StringIn Failed", "StringIs Failed"))
    [error] = load(folder, SETTINGS).errors
    assert str(error) == documented


def test_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", README)) <= targets


def links(document: Path) -> list[tuple[Path, str]]:
    """The file and the anchor of each link in a document that does not lead to another site."""
    text = _without_blocks(document)
    found = [target.partition("#") for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    return [((document.parent / file).resolve() if file else document, anchor) for file, _, anchor in found]


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub derives them."""
    headings = re.findall(r"^#+ (.*)$", _without_blocks(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@EACH_DOCUMENT
def test_links_lead_to_files_and_to_headings(document: Path) -> None:
    for file, anchor in links(document):
        assert file.exists(), file
        if anchor:
            assert anchor in anchors(file), f"{file.name}#{anchor}"


def test_links_and_anchors_are_found_in_documents() -> None:
    """Otherwise the previous test would check nothing."""
    found = [link for document in DOCUMENTS for link in links(document)]
    assert len(found) > 60
    assert len([anchor for _, anchor in found if anchor]) > 25
    assert {"allow_loops-max_depth", "do-and-with", "on"} <= anchors(ROOT / "docs" / "rules.md")


def test_every_page_is_linked_from_another() -> None:
    """Nobody finds the others."""
    linked = {file for document in DOCUMENTS for file, _ in links(document) if file != document.resolve()}
    for page in (ROOT / "docs").glob("**/*.md"):
        assert page in linked or page.parent in linked, page


@EACH_DOCUMENT
def test_source_files_that_a_document_names_exist(document: Path) -> None:
    for path in SOURCE.findall(document.read_text(encoding="utf-8")):
        assert (ROOT / path).is_file(), path


def test_paths_of_source_files_are_found_in_a_document() -> None:
    """Otherwise the previous test would check nothing."""
    page = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    assert "tests/dispatch/test_crashes.py" in SOURCE.findall(page)


@pytest.mark.parametrize("document", [page for page in DOCUMENTS if str(page.relative_to(ROOT)) not in PAGES], ids=str)
def test_lines_outside_code_blocks_have_at_most_120_characters(document: Path) -> None:
    """But those of generated pages, whose tables have long cells."""
    lines = enumerate(_without_blocks(document).splitlines(), 1)
    assert [number for number, line in lines if len(line) > MAX_LINE and not line.startswith("    ")] == []


def _without_blocks(document: Path) -> str:
    """The text of a document, with as many empty lines as its fenced blocks have, so that line numbers stay."""
    text = document.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", lambda block: "\n" * block[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE)


@EACH_DOCUMENT
def test_documents_use_the_words_of_the_field(document: Path) -> None:
    """An error is no mistake, an emulator no stand-in. Names in code keep theirs."""
    home_made = "mistakes?|stand-ins?|trouble|patience|anew|in a row|by hand|manieth|unmade|orphaned|came to nothing"
    text = re.sub(r"`[^`\n]*`", "", _without_blocks(document))
    assert re.findall(rf"\b(?:{home_made})\b", text, re.IGNORECASE) == []


def test_names_in_the_architecture_can_be_imported() -> None:
    """Modules, classes and methods."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`((?:dispatch|handlers|schemas|function_app)\.[A-Za-z_.]+)`", page))
    assert len(names) > 20
    for name in names:
        module, rest = import_module(name.partition(".")[0]), name.split(".")[1:]
        for n in range(len(rest), 0, -1):
            try:
                module = import_module(".".join([name.partition(".")[0], *rest[:n]]))
            except ModuleNotFoundError:
                continue
            rest = rest[n:]
            break
        reduce(getattr, rest, module)
