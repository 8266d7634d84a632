"""The watch of an app's files."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from mlevents.local import changes
from mlevents.local.changes import Watch


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(changes, "_PAUSE", 0.01)
    monkeypatch.setattr(changes, "_SETTLE", 0.01)
    (tmp_path / ".funcignore").write_text("# not deployed\n/tests\n/*.md\n")
    for name in ("rules", "tests", ".venv", "node_modules", "handlers"):
        (tmp_path / name).mkdir()
    for name in ("host.json", "handlers/mine.py", "rules/a.yaml", "tests/test_a.py", "handlers/notes.txt"):
        (tmp_path / name).write_text("")
    return tmp_path


def changed(app: Path, change: Callable[[], object], *others: Path) -> list[str]:
    """The names of the files that the watch reports after a change, and after that of `host.json`."""

    async def watch() -> list[str]:
        watched = Watch(app, others)
        change()
        (app / "host.json").write_text("{}")
        return [path.name for path in await watched.change()]

    return asyncio.run(asyncio.wait_for(watch(), 30))


@pytest.mark.parametrize("name", ["rules/a.yaml", "handlers/mine.py", "handlers/new.py", "local.settings.json"])
def test_code_rules_and_settings_are_watched(app: Path, name: str) -> None:
    assert changed(app, lambda: (app / name).write_text("x")) != ["host.json"]
    assert Path(name).name in changed(app, lambda: (app / name).write_text("xx"))


def test_deleted_file_is_a_change(app: Path) -> None:
    assert changed(app, (app / "rules/a.yaml").unlink) == ["host.json", "a.yaml"]


@pytest.mark.parametrize(
    "name", ["tests/test_a.py", ".venv/x.py", "node_modules/x.py", "handlers/notes.txt", "handlers/gone/x.txt"]
)
def test_other_files_are_not_watched(app: Path, name: str) -> None:
    """Nor those that .funcignore keeps from being deployed."""

    def change() -> None:
        (app / name).parent.mkdir(exist_ok=True)
        (app / name).write_text("x")

    assert changed(app, change) == ["host.json"]


def test_broken_link_is_ignored(app: Path) -> None:
    assert changed(app, lambda: (app / "rules/b.yaml").symlink_to("nowhere")) == ["host.json"]


def test_other_folders_are_watched_too(app: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Such as that of the rules, even if .funcignore lists it."""
    other = tmp_path_factory.mktemp("rules")
    assert sorted(changed(app, lambda: (other / "b.yaml").write_text("x"), other)) == ["b.yaml", "host.json"]


def test_files_that_are_written_together_are_one_change(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "_SETTLE", 0.2)

    async def watch() -> list[str]:
        watched = Watch(app)
        waiting = asyncio.create_task(watched.change())
        (app / "handlers/mine.py").write_text("x")
        await asyncio.sleep(0.05)
        (app / "rules/a.yaml").write_text("x")
        return [path.name for path in await waiting]

    assert asyncio.run(watch()) == ["mine.py", "a.yaml"]
