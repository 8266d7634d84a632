"""The README's handler, and the tests in docs/handlers/README.md: as printed, they pass this project's checks."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "handlers" / "README.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.services  # other processes

Tool = Callable[..., "subprocess.CompletedProcess[str]"]


def python_blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the files of both pages, where the page says that they go, beside this project's."""
    folder = tmp_path_factory.mktemp("project")
    [handler] = python_blocks(README)
    [init] = re.findall(r'`acme/__init__\.py` \| `(""".*""")`', PAGE)
    of_handler, of_rules = python_blocks(PAGE)
    files = {
        "acme/__init__.py": f"{init}\n",
        "acme/chat.py": handler,
        "tests/__init__.py": "",
        "tests/acme/__init__.py": "",
    }
    files |= {"tests/acme/test_chat.py": of_handler, "tests/acme/test_rules.py": of_rules}
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name in ("handlers", "schemas", "dispatch", "rules", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module")
def tool(project: Path) -> Tool:
    """Runs a tool of this project's environment in the project; the result has its output."""

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        return subprocess.run(
            [sys.executable, "-m", *command], cwd=project, env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_the_handler_and_its_tests_pass_ruff(tool: Tool) -> None:
    for command in (("check", "--no-cache"), ("format", "--check", "--no-cache")):
        done = tool("ruff", *command, "acme", "tests")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_handler_and_its_tests_pass_mypy(tool: Tool) -> None:
    """In strict mode; the cache is that of `make lint`."""
    cache = str(ROOT / ".mypy_cache")
    done = tool("mypy", "--cache-dir", cache, "acme", "tests/acme")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tests_of_the_page_pass(tool: Tool) -> None:
    done = tool("pytest", "-q", "--no-cov", "-p", "no:xdist", "-p", "no:cacheprovider", "tests/acme")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_a_faulty_handler_would_be_found(tool: Tool, project: Path) -> None:
    """So the checks above see the files."""
    faulty = project / "acme" / "faulty.py"
    faulty.write_text("import os\n")
    try:
        assert tool("ruff", "check", "--no-cache", "acme").returncode == 1
    finally:
        faulty.unlink()


def test_readme_and_page_name_the_same_files() -> None:
    for name in ("acme/__init__.py", "acme/chat.py", "tests/acme/__init__.py", "tests/acme/test_chat.py"):
        assert f"`{name}`" in PAGE
    assert "`acme/__init__.py`" in README
    assert "`tests/acme/`" in README
    assert '"""acme/chat.py: ' in README
