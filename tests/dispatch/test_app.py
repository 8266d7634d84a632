"""`App.from_settings` and `LazyApp`."""

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


def test_errors_in_rules_are_logged_and_do_not_stop_the_app(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "rules" / "team.yaml").write_text("rules: [{ name: x }]")
    app = App.from_settings({"AzureWebJobsStorage": "UseDevelopmentStorage=true", **SETTINGS}, folder)
    assert set(app.rules.refused) == {"rules/team.yaml"}
    mistakes = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert mistakes
    assert all(m.startswith('rules.mistake mistake="rules/team.yaml:') for m in mistakes)


def test_warnings_about_rules_are_logged_as_such(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "rules" / "team.yamll").write_text("rules: []")
    app = App.from_settings({"AzureWebJobsStorage": "UseDevelopmentStorage=true", **SETTINGS}, folder)
    assert (app.rules.errors, len(app.rules.warnings)) == ((), 1)
    [warning] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warning.startswith('rules.warning warning="rules/team.yamll:1:1: the file is ignored because of its name.')


def test_the_rules_folder_is_a_setting(folder: Path) -> None:
    (folder / "rules").rename(folder / "mine")
    values = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "MLEVENTS_RULES": "mine", **SETTINGS}
    assert App.from_settings(values, folder).rules.errors == ()


def callers() -> int:
    """The number of threads that are in a call of a LazyApp now."""
    stacks = ({frame.f_code for frame, _ in walk_stack(top)} for top in sys._current_frames().values())
    return sum(LazyApp.__call__.__code__ in stack for stack in stacks)


def test_the_app_is_built_once_for_all_threads(tmp_path: Path) -> None:
    """A thread that calls while it is being built waits for it."""
    built: list[App] = []
    app, all_call = World(rules(rule("ring")), tmp_path).app, Event()

    def build() -> App:
        built.append(app)
        while not all_call.wait(0.001):
            if callers() == 8:
                all_call.set()
        return app

    lazy = LazyApp(build)
    with ThreadPoolExecutor(8) as threads:
        seen = [threads.submit(lazy) for _ in range(8)]
    assert [one.result() for one in seen] == [app] * 8
    assert len(built) == 1


def test_a_failure_is_raised_to_every_caller_until_it_is_fixed(tmp_path: Path) -> None:
    """Each call builds the app again."""
    answers: list[object] = [SettingsError("no storage"), SettingsError("no storage"), "app"]

    def build() -> App:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return World(rules(rule("ring")), tmp_path).app

    lazy = LazyApp(build)
    for _ in range(2):
        with pytest.raises(SettingsError, match="no storage"):
            lazy()
    assert lazy() is lazy()
