"""What may import what, and what a fresh interpreter loads."""

import ast
import json
import os
import subprocess
import sys
from importlib.metadata import files as files_of
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from uuid import uuid4

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dispatch.settings import CONNECTION
from schemas import RunStatusChanged
from tests.kit.smtp import mail_server

pytestmark = pytest.mark.no_cover  # the same lines many times; that they are reached, other tests show

ROOT = Path(__file__).resolve().parent.parent
OURS = {"schemas", "handlers", "dispatch", "mlevents", "emulator", "function_app", "benchmarks", "tests"}
DEPLOYED = ("schemas", "handlers", "dispatch", "function_app.py")
FORBIDDEN = {
    "schemas": {"azure", "handlers", "dispatch", "mlevents", "emulator", "tests", "function_app"},
    "handlers": {"azure.functions", "dispatch", "mlevents", "emulator", "tests", "function_app"},
    "dispatch": {"azure.functions", "mlevents", "emulator", "tests", "function_app"},
    "dispatch/inbox": {
        *("dispatch.rules", "dispatch.guards", "dispatch.replay", "dispatch.app"),
        *("dispatch.receive", "dispatch.act", "dispatch.decide", "dispatch.sweep", "dispatch.alerts"),
    },
    "function_app.py": {"mlevents", "emulator", "tests"},
    "mlevents": {"tests", "function_app"},
    "emulator": {"schemas", "dispatch", "handlers", "mlevents", "tests", "function_app"},
}


def sources(name: str) -> list[Path]:
    path = ROOT / name
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def imported(source: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("name", FORBIDDEN)
def test_imports_run_one_way(name: str) -> None:
    """function_app → dispatch → handlers → schemas; nothing that runs in Azure imports the tool or the tests."""
    for source in sources(name):
        for module in imported(source):
            parents = {module.rsplit(".", n)[0] for n in range(module.count(".") + 1)}
            assert not parents & FORBIDDEN[name], f"{source.relative_to(ROOT)} imports {module}"


SEAM = {"errors.py", "storage_account.py", "tables.py", "transport.py"}  # of dispatch/inbox


def test_only_the_seam_to_storage_knows_the_sdks_errors_and_tables() -> None:
    """The rest of dispatch handles `dispatch.inbox.errors`."""
    for source in sources("dispatch"):
        if not (source.parent.name == "inbox" and source.name in SEAM):
            known = {m for m in imported(source) if m.startswith(("azure.core.exceptions", "azure.data.tables"))}
            assert not known, f"{source.relative_to(ROOT)} imports {known}"


def test_no_top_level_name_is_an_installed_package_s() -> None:
    """Core Tools puts site-packages before the app: an app's module of the same name would not be found."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert folders | {"function_app"} == OURS
    assert not OURS & set(packages_distributions())
    assert not OURS & set(sys.stdlib_module_names)


def test_what_is_published_is_what_the_app_needs() -> None:
    """.funcignore keeps the tool, the tests and everybody's secrets at home, and nothing that the app imports."""
    ignored = {line.strip().rstrip("/") for line in (ROOT / ".funcignore").read_text().splitlines()}
    assert {"mlevents", "tests", "local.settings.json", "node_modules", ".*"} <= ignored
    # samples/ too: rules name files in it
    assert not ignored & {*DEPLOYED, "rules", "samples", "host.json", "requirements.txt"}


def required() -> set[str]:
    """The distributions that requirements.txt brings, with theirs."""
    lines = (line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#"))
    found: set[str] = set()
    todo = [Requirement(line) for line in lines if line]
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found.add(name)
            todo += [Requirement(line) for line in requires(name) or ()]
    return found


def test_requirements_cover_what_the_app_imports() -> None:
    """`func azure functionapp publish` installs requirements.txt and nothing else."""
    brought, distributions = required(), packages_distributions()
    for name in DEPLOYED:
        for source in sources(name):
            for module in imported(source):
                top = module.partition(".")[0]
                if top not in OURS and top not in sys.stdlib_module_names:
                    assert {canonicalize_name(d) for d in distributions[top]} & brought, f"{source} imports {module}"


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

MAIN_JOB = """
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


def test_the_main_job_is_light(azurite_connection: str) -> None:
    """What a cold start, an event and a mail load, by distribution: a heavy import shows up here, in a review."""
    unique = uuid4().hex[:12]
    settings = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    settings |= {CONNECTION: azurite_connection, "MLEVENTS_TABLE": f"t{unique}", "MLEVENTS_QUEUE": f"q{unique}"}
    with mail_server() as server:
        settings |= {"EMAIL_SMTP_HOST": server.host, "EMAIL_SMTP_PORT": str(server.port)}
        raw = json.dumps(RunStatusChanged.example().wire())
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        done = subprocess.run(
            [sys.executable, "-c", MAIN_JOB, raw],
            cwd=ROOT,
            env=environment | settings,
            capture_output=True,
            text=True,
            check=True,
        )
        assert len(server.taken) == 1
    start, end = ({Path(file) for file in json.loads(line)} for line in done.stdout.splitlines())
    # azure-core loads aiohttp where it finds it, which is not where the app is deployed.
    files = {name: {Path(str(f.locate())) for f in files_of(name) or ()} for name in required()}
    assert {name for name, theirs in files.items() if theirs & start} == LOADED
    assert {name for name, theirs in files.items() if theirs & end} == LOADED | FOR_MAIL
    assert not any({"ai", "identity", "communication"} & set(file.parts) for file in end)
