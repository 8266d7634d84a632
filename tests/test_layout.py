"""What may import what, and what a fresh interpreter loads."""

import ast
import json
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = {"schemas", "handlers", "dispatch", "mlevents", "function_app", "tests"}
DEPLOYED = ("schemas", "handlers", "dispatch", "function_app.py")
FORBIDDEN = {
    "schemas": {"azure", "handlers", "dispatch", "mlevents", "tests", "function_app"},
    "handlers": {"azure.functions", "dispatch", "mlevents", "tests", "function_app"},
    "dispatch": {"azure.functions", "mlevents", "tests", "function_app"},
    "function_app.py": {"mlevents", "tests"},
    "mlevents": {"tests", "function_app"},
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


def test_no_top_level_name_is_an_installed_package_s() -> None:
    """Core Tools puts site-packages before the app: an app's module of the same name would not be found."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert folders | {"function_app"} == OURS
    assert not OURS & set(packages_distributions())
    assert not OURS & set(sys.stdlib_module_names)


def test_what_is_published_is_what_the_app_needs() -> None:
    """.funcignore keeps the tool, the tests and everybody's secrets at home, and nothing that the app imports."""
    ignored = {line.strip().rstrip("/") for line in (ROOT / ".funcignore").read_text().splitlines()}
    assert {"mlevents", "tests", "samples", "local.settings.json", "node_modules", ".*"} <= ignored
    assert not ignored & {*DEPLOYED, "rules", "host.json", "requirements.txt"}


def test_requirements_cover_what_the_app_imports() -> None:
    """`func azure functionapp publish` installs requirements.txt and nothing else."""
    asked = {line.split(";")[0].strip().lower() for line in (ROOT / "requirements.txt").read_text().splitlines()}
    asked = {line.split(">")[0] for line in asked if line and not line.startswith("#")}
    distributions = packages_distributions()
    for name in DEPLOYED:
        for source in sources(name):
            for module in imported(source):
                top = module.partition(".")[0]
                if top in OURS or top in sys.stdlib_module_names or top == "azure":
                    continue
                assert {d.lower().replace("_", "-") for d in distributions[top]} & (asked | {"pydantic-core"}), module


def test_importing_the_app_is_light() -> None:
    """What a cold start loads, by distribution: a heavy import shows up here, in a review."""
    code = (
        "import json, sys, function_app\n"
        "from importlib.metadata import packages_distributions\n"
        "of = packages_distributions()\n"
        "print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules if m.partition('.')[0] in of})))\n"
        "print(json.dumps(sorted(m for m in sys.modules if m.count('.') == 2 and m.startswith('azure.'))))\n"
        "print(json.dumps([m for m in ('azure.identity', 'azure.communication', 'azure.ai') if m in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    loaded, _, heavy = (json.loads(line) for line in done.stdout.splitlines())
    assert heavy == []
    assert set(loaded) <= LOADED, set(loaded) - LOADED


LOADED = {
    "annotated_types",
    "azure",
    "certifi",
    "charset_normalizer",
    "cryptography",
    "idna",
    "isodate",
    "jinja2",
    "markupsafe",
    "multidict",
    "pydantic",
    "pydantic_core",
    "requests",
    "ruamel",
    "typing_extensions",
    "typing_inspection",
    "urllib3",
    "werkzeug",
    "yarl",
}
