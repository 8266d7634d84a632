"""`handlers.find` imports the handler that a rule's `do:` names, or says why it cannot."""

import sys
from pathlib import Path

import pytest

from handlers import builtin, find
from handlers.email.handler import Email
from handlers.log import Log

PAGER = """
from handlers.base import Action, Handler, Outcome, Skipped
from handlers.log import Log
from schemas import Event


class Pager(Handler[Event]):
    def run(self, event: Event, action: Action) -> Outcome:
        return Skipped("")


class Bell(Pager):
    pass


Alias = Pager


class Unfinished(Handler[Event]):
    text: str = ""


class Async(Handler[Event]):
    async def run(self, event: Event, action: Action) -> Outcome:
        return Skipped("")


class Yielding(Handler[Event]):
    def run(self, event: Event, action: Action) -> Outcome:
        yield Skipped("")


class Silent(Handler[Event]):
    def run(self, event: Event, action: Action) -> None:
        pass


class Quoted(Handler[Event]):
    def run(self, event: Event, action: Action) -> "None":
        pass


class NotAHandler:
    pass


def function() -> None: ...
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user's package, with handlers and with modules that cannot be imported."""
    folder = tmp_path / "acme_of_this_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "pager.py").write_text(PAGER)
    (folder / "broken.py").write_text("import nothing_of_this_name")
    (folder / "wrong.py").write_text("def (")
    (folder / "raises.py").write_text("raise RuntimeError('no connection')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        monkeypatch.delitem(sys.modules, name)
    return folder.name


def test_built_in_handlers_are_listed_by_name() -> None:
    assert builtin() == sorted(builtin())
    assert {"blob", "deploy", "email", "event_grid", "log", "pipeline", "webhook"} <= set(builtin())


def test_every_built_in_handler_can_be_found() -> None:
    for name in builtin():
        handler = find(name)
        modules = f"handlers.{name}", f"handlers.{name}.handler", f"handlers.streams.{name}"
        assert handler.__module__ in modules
        assert handler.__doc__


def test_built_in_handler_is_found_by_its_name() -> None:
    assert (find("email"), find("log")) == (Email, Log)


def test_user_s_handler_is_found_by_import_path_and_class(package: str) -> None:
    """Also one of several in a module, and one that the module imports."""
    assert find(f"{package}.pager:Pager").__name__ == "Pager"
    assert find(f"{package}.pager:Bell").__name__ == "Bell"
    assert find(f"{package}.pager:Alias") is find(f"{package}.pager:Pager")
    assert find(f"{package}.pager:Log") is Log


@pytest.mark.parametrize("do", ["emial", "", "base", "mail", "Email", "handlers.email.handler", "os", "pager:"])
def test_error_for_an_unknown_name_lists_the_built_in_handlers(do: str) -> None:
    with pytest.raises(
        LookupError, match=r"there is no handler '.*'; built in: .*email.*; yours: 'package.module:Class'"
    ):
        find(do)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Nothing", "has no handler Nothing$"),
        ("Pagr", r"has no handler Pagr; did you mean Pager\?$"),
        ("NotAHandler", r"has NotAHandler, which is no handler; write class NotAHandler\(Handler\[Event\]\)"),
        ("function", "has function, which is no handler"),
        ("Event", "has Event, which is no handler"),
        (
            "Handler",
            r"has Handler without a method run; write def run\(self, event: Event, action: Action\) -> Outcome",
        ),
        ("Unfinished", "has Unfinished without a method run"),
        ("Async", "has Async, whose run is async or a generator, so that its body would not be run; write def run"),
        ("Yielding", "has Yielding, whose run is async or a generator"),
        ("Silent", "has Silent, whose run returns None; return Succeeded, Skipped or CheckBack"),
        ("Quoted", "has Quoted, whose run returns None"),
    ],
)
def test_class_that_cannot_handle_events_is_an_error(package: str, name: str, reason: str) -> None:
    """What can be seen without calling it."""
    with pytest.raises(LookupError, match=f"{package}.pager {reason}"):
        find(f"{package}.pager:{name}")


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (
            "broken",
            "ModuleNotFoundError: No module named 'nothing_of_this_name'; "
            "add its package to requirements.txt, and run make install",
        ),
        ("wrong", "SyntaxError"),
        ("raises", "RuntimeError: no connection"),
        ("missing", "ModuleNotFoundError.*; a module of yours belongs in the app's folder: .*/missing.py"),
    ],
)
def test_error_has_the_reason_why_an_import_failed(package: str, module: str, reason: str) -> None:
    with pytest.raises(LookupError, match=f"importing '{package}.{module}' failed: {reason}"):
        find(f"{package}.{module}:Pager")


@pytest.mark.parametrize("do", [":Pager", "..pager:Pager", ".:x", "a b:c"])
def test_invalid_import_path_is_an_error(do: str) -> None:
    with pytest.raises(LookupError, match="importing"):
        find(do)
