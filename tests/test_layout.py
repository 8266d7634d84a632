"""Imports, sizes and distributions: which module may import which, and what a fresh interpreter loads."""

import ast
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import files as files_of
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from uuid import uuid4

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dispatch.settings import CONNECTION
from handlers import builtin, find
from locks import read_input
from schemas import RunStatusChanged
from tests.kit.smtp import mail_server

pytestmark = pytest.mark.no_cover  # other tests cover these lines

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schemas", "handlers", "dispatch", "web", "mlevents", "emulator")
OURS = {*PACKAGES, "function_app", "benchmarks", "tests"}
MAX_LINES = 320  # of a file
MAX_FILES = 16  # of a folder
DEPLOYED = ("schemas", "handlers", "dispatch", "web", "function_app.py")
FORBIDDEN = {
    "schemas": {"azure", "handlers", "dispatch", "web", "mlevents", "emulator", "tests", "function_app"},
    "handlers": {"azure.functions", "dispatch", "web", "mlevents", "emulator", "tests", "function_app"},
    "dispatch": {"azure.functions", "web", "mlevents", "emulator", "tests", "function_app"},
    "dispatch/inbox": {
        *("dispatch.rules", "dispatch.guards", "dispatch.replay", "dispatch.app"),
        *("dispatch.receive", "dispatch.act", "dispatch.decide", "dispatch.sweep", "dispatch.alerts"),
    },
    "web": {"azure", "mlevents", "emulator", "tests", "function_app"},
    "function_app.py": {"mlevents", "emulator", "tests"},
    "mlevents": {"tests", "function_app"},
    "emulator": {"schemas", "dispatch", "handlers", "web", "mlevents", "tests", "function_app"},
}


def sources(*names: str) -> list[Path]:
    """The Python files that these are, or contain."""
    paths = [ROOT / name for name in names]
    return [source for path in paths for source in ([path] if path.is_file() else sorted(path.rglob("*.py")))]


def syntax_of(source: Path) -> ast.Module:
    return ast.parse(source.read_text(encoding="utf-8"))


def imported(source: Path) -> set[str]:
    """Every module that a file imports, at any level, with the names that it imports from it."""
    return _names(ast.walk(syntax_of(source)))


def _names(nodes: Iterable[ast.AST]) -> set[str]:
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, "a relative import"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _with_parents(module: str) -> set[str]:
    """The module and its packages: a.b.c, a.b and a."""
    return {module.rsplit(".", n)[0] for n in range(module.count(".") + 1)}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_imports_run_one_way(name: str) -> None:
    """function_app → dispatch → handlers → schemas; nothing that runs in Azure imports the tool or the tests."""
    for source in sources(name):
        for module in imported(source):
            assert not _with_parents(module) & FORBIDDEN[name], f"{source.relative_to(ROOT)} imports {module}"


HANDLERS = {".".join(find(name).__module__.split(".")[:2]) for name in builtin()}  # handlers.email, …


def test_modules_that_handlers_share_import_no_handler() -> None:
    """handlers/__init__.py has the import paths of the built-in handlers as strings."""
    assert "handlers.email" in HANDLERS
    for source in [*(ROOT / "handlers").glob("*.py"), *sources("handlers/azure", "handlers/content", "handlers/http")]:
        for module in imported(source):
            assert not _with_parents(module) & HANDLERS, f"{source.relative_to(ROOT)} imports {module}"


def _module_name(source: Path) -> str:
    parts = source.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _loaded_with(module: ast.Module) -> Iterator[ast.AST]:
    """The nodes that run when the module is imported: not the bodies of functions, nor those for type checkers."""
    todo: list[ast.AST] = [module]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            todo += node.orelse
            continue
        yield node
        todo += ast.iter_child_nodes(node)


def _circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The modules of one circle in the graph, from one back to itself; empty if there is none."""
    finished: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in finished:
            return []
        for other in sorted(graph.get(module, ())):
            if circle := visit(other, [*path, module]):
                return circle
        finished.add(module)
        return []

    return next((circle for module in sorted(graph) if (circle := visit(module, []))), [])


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    """Imports within functions do not count, since they run later."""
    modules = {_module_name(source): source for source in sources(*PACKAGES)}
    graph: dict[str, set[str]] = {}
    for name, source in modules.items():
        names = _names(_loaded_with(syntax_of(source)))
        # `from a import b` imports a.b if that is a module, and otherwise needs the module a
        packages = {each.rpartition(".")[0] for each in names if each in modules}
        graph[name] = {each for each in names & modules.keys() if each not in packages} - {name}
    assert graph["dispatch.act"] >= {"dispatch.decide", "dispatch.app"}
    assert " → ".join(_circle(graph)) == ""


def test_a_circle_is_found() -> None:
    assert _circle({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}}) == ["b", "d", "b"]
    assert _circle({"a": {"b", "c"}, "b": {"c"}}) == []


def test_files_and_folders_are_small() -> None:
    lengths = {source: len(source.read_text(encoding="utf-8").splitlines()) for source in sources(*PACKAGES)}
    assert {str(s.relative_to(ROOT)): n for s, n in lengths.items() if n > MAX_LINES} == {}
    files = Counter(source.parent for source in lengths)
    assert {str(folder.relative_to(ROOT)): n for folder, n in files.items() if n > MAX_FILES} == {}


SEAM = {"errors.py", "storage_account.py", "tables.py", "transport.py"}  # of dispatch/inbox


def test_only_the_seam_to_storage_imports_the_sdks_errors_and_tables() -> None:
    """The rest of dispatch handles `dispatch.inbox.errors`."""
    for source in sources("dispatch"):
        if not (source.parent.name == "inbox" and source.name in SEAM):
            known = {m for m in imported(source) if m.startswith(("azure.core.exceptions", "azure.data.tables"))}
            assert not known, f"{source.relative_to(ROOT)} imports {known}"


def test_no_top_level_name_is_that_of_an_installed_package() -> None:
    """Core Tools puts site-packages before the app in sys.path, where a package of the same name would win."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    names = folders | {"function_app"}
    assert names >= OURS  # users add packages with handlers
    assert not names & set(packages_distributions())
    assert not names & set(sys.stdlib_module_names)


def required() -> set[str]:
    """The distributions in requirements.in, with their own requirements."""
    found: set[str] = set()
    todo = read_input((ROOT / "requirements.in").read_text(encoding="utf-8"))
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found.add(name)
            todo += [Requirement(line) for line in requires(name) or ()]
    return found


def test_requirements_txt_covers_the_imports_of_the_app() -> None:
    """`func azure functionapp publish` installs requirements.txt and nothing else."""
    installed, distributions = required(), packages_distributions()
    for name in DEPLOYED:
        for source in sources(name):
            for module in imported(source):
                top = module.partition(".")[0]
                if top not in OURS and top not in sys.stdlib_module_names:
                    assert {canonicalize_name(d) for d in distributions[top]} & installed, f"{source} imports {module}"


LOADED = {
    "annotated-types",
    "attrs",  # of aiohttp
    "azure-core",
    "azure-data-tables",
    "azure-functions",
    "azure-storage-queue",
    "certifi",
    "cffi",
    "charset-normalizer",
    "cryptography",
    "idna",
    "isodate",
    "jinja2",
    "markupsafe",
    "multidict",
    "propcache",
    "pydantic",
    "pydantic-core",
    "requests",
    "ruamel-yaml",
    "typing-extensions",
    "typing-inspection",
    "urllib3",
    "werkzeug",
    "yarl",
}


FOR_MAIL = {"email-validator", "pydantic-settings", "python-dotenv"}
FOR_FACTS = {"azure-identity", "msal"}  # a default mail asks Azure ML for the reason

SEND_A_MAIL = """
import base64, json, os, sys
import function_app
from azure.storage.queue import QueueClient

def loaded():
    print(json.dumps(sorted({str(m.__file__) for m in list(sys.modules.values()) if getattr(m, "__file__", None)})))

loaded()
function_app.receive(sys.argv[1], function_app.the_app())
queue = QueueClient.from_connection_string(os.environ["AzureWebJobsStorage"], function_app.names.actions)
for message in queue.receive_messages():
    function_app.act_on(base64.b64decode(message.content).decode(), function_app.the_app())
loaded()
"""


def test_sending_a_mail_loads_only_these_distributions(azurite_connection: str) -> None:
    """A cold start, an event and its mail: a heavy import changes these sets, and a reviewer sees it."""
    unique = uuid4().hex[:12]
    settings = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    settings |= {CONNECTION: azurite_connection, "MLEVENTS_TABLE": f"t{unique}", "MLEVENTS_QUEUE": f"q{unique}"}
    with mail_server() as server:
        settings |= {"EMAIL_SMTP_HOST": server.host, "EMAIL_SMTP_PORT": str(server.port)}
        raw = json.dumps(RunStatusChanged.example().wire())
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        done = subprocess.run(
            [sys.executable, "-c", SEND_A_MAIL, raw],
            cwd=ROOT,
            env=environment | settings,
            capture_output=True,
            text=True,
            check=True,
        )
        assert len(server.accepted) == 1
    start, end = ({Path(file) for file in json.loads(line)} for line in done.stdout.splitlines())
    # azure-core loads aiohttp if it is installed, which it is not where the app is deployed.
    files = {name: {Path(str(f.locate())) for f in files_of(name) or ()} for name in required()}
    assert {name for name, theirs in files.items() if theirs & start} == LOADED
    assert {name for name, theirs in files.items() if theirs & end} == LOADED | FOR_MAIL | FOR_FACTS
    assert not any({"ai", "communication"} & set(file.parts) for file in end)
    assert not any("identity" in file.parts for file in start)
    assert not any(file.is_relative_to(ROOT / "web") for file in end)  # pages wait until somebody looks
    assert not any(file.is_relative_to(ROOT / "dispatch" / "watch") for file in end)
