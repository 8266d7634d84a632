"""Which files are deployed: .funcignore, read as each tool that deploys reads it."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEPLOYED = {
    "dispatch",
    "function_app.py",
    "handlers",
    "host.json",
    "requirements.txt",
    "rules",
    "samples",
    "schemas",
    "web",
}

pytestmark = pytest.mark.services  # git

Reader = Callable[[list[str], Path], set[str]]


def _regex(line: str, end: str) -> re.Pattern[str]:
    escaped = re.sub(r"[-\[\]/{}()+?.\\^$|]", r"\\\g<0>", line.removeprefix("/"))
    return re.compile(f"({escaped.replace('**', '(.+)').replace('*', '([^/]+)')}){end}", re.ASCII)


def core_tools(paths: list[str], _folder: Path, end: str = r"\b") -> set[str]:
    """The paths that `func azure functionapp publish` ignores: it compares the beginning of a path with each line.

    From Azure/azure-functions-core-tools, GitIgnoreParser.cs; .funcignore has no lines with `!`.
    """
    lines = [line.strip() for line in (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()]
    patterns = [_regex(line, end) for line in lines if line and not line.startswith("#")]
    assert not any(line.startswith("!") for line in lines)
    return {path for path in paths if any(pattern.match(path) for pattern in patterns)}


def core_tools_without_boundary(paths: list[str], folder: Path) -> set[str]:
    """The same, without the word boundary after a line's pattern, as in some versions."""
    return core_tools(paths, folder, end="")


def git(paths: list[str], folder: Path) -> set[str]:
    """The paths that git ignores, as the extension of VS Code and functions-action do."""
    (folder / ".gitignore").write_bytes((ROOT / ".funcignore").read_bytes())
    settings = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", "init", "-q"], cwd=folder, env=settings, check=True)
    command = ["git", "check-ignore", "--no-index", "--stdin", "-z"]
    text = "\0".join(paths)
    found = subprocess.run(command, cwd=folder, env=settings, input=text, stdout=subprocess.PIPE, text=True, check=True)
    return set(found.stdout.split("\0")) - {""}


READERS = pytest.mark.parametrize("reader", [core_tools, core_tools_without_boundary, git])


def checkout() -> list[str]:
    """Every file of this checkout, with what `make install` and test runs have added."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name != ".git"]
        found += [(Path(folder) / name).relative_to(ROOT).as_posix() for name in files]
    return found


@READERS
def test_the_app_and_the_rules_are_deployed_and_nothing_else_of_this_project(reader: Reader, tmp_path: Path) -> None:
    files = checkout()
    deployed = set(files) - reader(files, tmp_path)
    own = {path for path in files if path.split("/")[0] in DEPLOYED and "__pycache__" not in path}
    own -= {path for path in own if path.startswith("rules/tests/")}
    assert own <= deployed
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    others = deployed & {*listed.stdout.splitlines()} - own
    assert others == {"LICENSE"}
    assert len(deployed) < 600  # node_modules alone has 12,000 files
    assert sum((ROOT / path).stat().st_size for path in deployed) < 3_000_000


@READERS
@pytest.mark.parametrize(
    "path",
    [
        "node_modules/azurite/package.json",
        "node_modules/@azure/core-auth/package.json",
        "node_modules/.bin/azurite",
        ".venv/bin/python",
        ".git/config",
        ".mlevents/mails/0001.html",
        ".vscode/settings.json",
        "__pycache__/function_app.cpython-311.pyc",
        "dispatch/__pycache__/act.cpython-311.pyc",
        "dispatch/rules/reading/__pycache__/yaml.cpython-311.pyc",
        "acme/__pycache__/chat.cpython-311.pyc",
        "__azurite_db_queue__.json",
        "__blobstorage__/0d3b",
        "azureml_events.egg-info/PKG-INFO",
        "local.settings.json",
        "requirements.in",
        "requirements-dev.txt",
        "requirements-local.in",
        "sbom.json",
        ".ci/locks.py",
        "tests/test_layout.py",
        "mlevents/local/host/host.py",
        "emulator/__init__.py",
        "rules/tests/churn.yaml",
        "rules/tests/events/a.json",
    ],
)
def test_local_files_are_not_deployed(reader: Reader, tmp_path: Path, path: str) -> None:
    assert reader([path], tmp_path) == {path}


@READERS
def test_files_beside_the_rules_and_in_packages_of_handlers_are_deployed(reader: Reader, tmp_path: Path) -> None:
    """Even if they are called like a file or folder of this project that is not deployed."""
    names = ["tests/test_train.py", "README.md", "docs/x.md", "pyproject.toml", "requirements-dev.txt", ".amlignore"]
    names += ["mlevents/x.py", "Makefile", "node_modules/x.js", "emulator/x.py"]
    paths = [f"{folder}/{name}" for folder in ("rules", "rules/jobs/train", "acme") for name in names]
    paths.remove("rules/tests/test_train.py")  # in the folder of tests of rules
    assert reader([*paths, "tests/x"], tmp_path) == {"tests/x"}
