"""Where the app is put together."""

import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from traceback import walk_stack

import pytest

from dispatch.app import App, LazyApp
from dispatch.settings import SettingsError
from tests.kit.world import SETTINGS, WORKSPACES, World, rule, rules


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "host.json").write_text('{"functionTimeout": "00:05:00"}')
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "workspaces.yaml").write_text(WORKSPACES)
    return tmp_path


def test_mistakes_in_rules_are_logged_and_do_not_stop_the_app(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "rules" / "team.yaml").write_text("rules: [{ name: x }]")
    app = App.from_settings({"AzureWebJobsStorage": "UseDevelopmentStorage=true", **SETTINGS}, folder)
    assert set(app.rules.refused) == {"rules/team.yaml"}
    mistakes = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert mistakes
    assert all(m.startswith('rules.mistake mistake="rules/team.yaml:') for m in mistakes)


def test_the_rules_folder_is_a_setting(folder: Path) -> None:
    (folder / "rules").rename(folder / "mine")
    values = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "MLEVENTS_RULES": "mine", **SETTINGS}
    assert App.from_settings(values, folder).rules.errors == ()


def asking() -> int:
    """How many threads are in a call of a LazyApp now."""
    stacks = ({frame.f_code for frame, _ in walk_stack(top)} for top in sys._current_frames().values())
    return sum(LazyApp.__call__.__code__ in stack for stack in stacks)


def test_the_app_is_made_once_for_all_threads(tmp_path: Path) -> None:
    """Whoever asks while it is being made waits for it."""
    made: list[App] = []
    app, all_ask = World(rules(rule("ring")), tmp_path).app, Event()

    def make() -> App:
        made.append(app)
        while not all_ask.wait(0.001):
            if asking() == 8:
                all_ask.set()
        return app

    lazy = LazyApp(make)
    with ThreadPoolExecutor(8) as threads:
        seen = [threads.submit(lazy) for _ in range(8)]
    assert [one.result() for one in seen] == [app] * 8
    assert len(made) == 1


def test_a_failure_is_told_to_every_caller_until_it_is_mended(tmp_path: Path) -> None:
    """Nothing is remembered of it."""
    answers: list[object] = [SettingsError("no storage"), SettingsError("no storage"), "app"]

    def make() -> App:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return World(rules(rule("ring")), tmp_path).app

    lazy = LazyApp(make)
    for _ in range(2):
        with pytest.raises(SettingsError, match="no storage"):
            lazy()
    assert lazy() is lazy()
