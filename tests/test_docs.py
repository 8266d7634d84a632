"""What the documents say is run, imported and looked up."""

import re
import sys
from collections.abc import Iterator
from functools import reduce
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path
from threading import Thread

import pytest

from dispatch.rules import load
from handlers.email.settings import EmailSettings
from schemas import RunStatusChanged
from tests.kit.world import SETTINGS, WORKSPACES, World

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("samples/*.md")])


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The README's handler, where the README says that it is."""
    [code] = blocks("python")
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "chat.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme"]:
        del sys.modules[name]


@pytest.fixture
def channel() -> Iterator[tuple[str, list[bytes]]]:
    """A chat channel's incoming webhook: its URL, and what was posted."""
    posted: list[bytes] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", posted
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_readme_s_handler_runs(
    acme: Path, channel: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the README's rule to the post."""
    url, posted = channel
    [_, rule] = blocks("yaml")
    monkeypatch.setitem(SETTINGS, "RULES_CHAT_URL", url)
    world = World("rules:\n" + rule, acme)
    assert world.loaded.errors == ()
    world.receive(RunStatusChanged.example(run_id="bold_ant", experiment_name="churn"))
    world.run()
    assert world.ends() == {"post-to-channel": "succeeded"}
    assert posted == [b'{"text": "churn: bold_ant"}']


def test_the_readme_s_handler_is_as_short_as_it_says() -> None:
    """Twenty lines or so."""
    [code] = blocks("python")
    assert len(code.splitlines()) <= 24


def test_the_readme_s_rule_loads(tmp_path: Path) -> None:
    [rules, _] = blocks("yaml")
    (tmp_path / "workspaces.yaml").write_text(WORKSPACES)
    (tmp_path / "churn.yaml").write_text(rules)
    loaded = load(tmp_path, SETTINGS)
    assert loaded.errors == ()
    assert [rule.name for rule in loaded.matching(loaded.context(RunStatusChanged.example()))] == ["mail-failed-runs"]


def test_the_readme_s_mistake_is_what_check_prints(tmp_path: Path) -> None:
    """Word for word."""
    [said] = re.findall(r"^    (rules/churn.yaml:.*)$", README, re.MULTILINE)
    folder = tmp_path / "rules"
    folder.mkdir()
    [rules, _] = blocks("yaml")
    (folder / "workspaces.yaml").write_text(WORKSPACES)
    (folder / "churn.yaml").write_text(rules.replace("StringIn Failed", "StringIs Failed"))
    [mistake] = load(folder, SETTINGS).errors
    assert str(mistake) == said


def test_the_commands_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", README)) <= targets


def test_the_settings_of_the_readme_are_the_code_s() -> None:
    """Every name that the code reads is explained, and nothing else is."""
    table = README[README.index("| setting |") :]
    explained = set(re.findall(r"`((?:EMAIL|MLEVENTS)_[A-Z_]+)`", table))
    files = [*ROOT.glob("dispatch/**/*.py"), *ROOT.glob("handlers/**/*.py")]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    read = set(re.findall(r'"(MLEVENTS_[A-Z_]+)"', code))
    for name, field in EmailSettings.model_fields.items():
        read.add(str(field.validation_alias or f"EMAIL_{name.upper()}"))
    assert explained == read


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Those to files of this repository."""
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_the_names_of_the_walk_can_be_imported() -> None:
    """docs/architecture.md names modules, classes and methods; renaming one must change the page."""
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
