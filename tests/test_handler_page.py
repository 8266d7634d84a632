"""What `mlevents new handler` writes, and the code in docs/handlers/writing-a-handler.md.

As printed, they pass this project's checks.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlevents.__main__ import main

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "handlers" / "writing-a-handler.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.services  # other processes

Tool = Callable[..., "subprocess.CompletedProcess[str]"]


def python_blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a new handler, and the files of the page where they say that they are, beside this project's."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("acme.chat", "zoo.of.slow_event"):
        assert main(["new", "handler", name, "--app", str(folder)]) == 0
    blocks = {block.split(":")[0].strip('"'): block for block in python_blocks(PAGE)}
    assert blocks.pop("acme/chat.py")  # which the command has written
    assert list(blocks) == [
        "acme/approval.py",
        *(f"tests/acme/test_{name}.py" for name in ("approval", "rules", "mails")),
    ]
    for name, text in blocks.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("handlers", "schemas", "dispatch", "mlevents", "emulator", "rules", "pyproject.toml"):
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


def test_the_page_shows_what_the_command_writes(project: Path) -> None:
    written = (project / "acme/chat.py").read_text(encoding="utf-8")
    assert python_blocks(PAGE)[0] == written
    assert "mlevents new handler acme.chat" in PAGE
    assert len(written.splitlines()) < 25


def test_the_handlers_and_their_tests_pass_ruff(tool: Tool) -> None:
    for command in (("check", "--no-cache"), ("format", "--check", "--no-cache")):
        done = tool("ruff", *command, "acme", "zoo", "tests")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_handlers_and_their_tests_pass_mypy(tool: Tool) -> None:
    """In strict mode; the cache is that of `make lint`."""
    cache = str(ROOT / ".mypy_cache")
    done = tool("mypy", "--cache-dir", cache, "acme", "zoo", "tests/acme", "tests/zoo")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tests_pass(tool: Tool) -> None:
    done = tool("pytest", "-q", "--no-cov", "-p", "no:xdist", "-p", "no:cacheprovider", "tests")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "15 passed" in done.stdout


def test_a_faulty_handler_would_be_found(tool: Tool, project: Path) -> None:
    """So the checks above see the files."""
    faulty = project / "acme" / "faulty.py"
    faulty.write_text("import os\n")
    try:
        assert tool("ruff", "check", "--no-cache", "acme").returncode == 1
    finally:
        faulty.unlink()
