"""What a rule's `do:` finds, and what is said if that is nothing."""

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


class NotAHandler:
    pass


def function() -> None: ...
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of the user's own, with handlers, and modules that do not work."""
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


def test_the_built_in_handlers_are_the_files_of_the_folder() -> None:
    """Without those that handlers are made with."""
    assert {"email", "log"} <= set(builtin())
    assert not {"base", "credential", "duration", "mail", "steps", "template"} & set(builtin())


def test_every_built_in_handler_can_be_found() -> None:
    for name in builtin():
        handler = find(name)
        assert handler.__module__ in {f"handlers.{name}", f"handlers.{name}.handler"}
        assert handler.__doc__


def test_a_built_in_handler() -> None:
    assert (find("email"), find("log")) == (Email, Log)


def test_a_handler_of_ones_own(package: str) -> None:
    """By import path and name: also one of several, and one that comes from elsewhere."""
    assert find(f"{package}.pager:Pager").__name__ == "Pager"
    assert find(f"{package}.pager:Bell").__name__ == "Bell"
    assert find(f"{package}.pager:Log") is Log


@pytest.mark.parametrize("do", ["emial", "", "base", "mail", "Email", "handlers.email.handler", "os", "pager:"])
def test_what_is_not_built_in_is_told_what_is(do: str) -> None:
    with pytest.raises(
        LookupError, match=r"there is no handler '.*'; built in: .*email.*; yours: 'package.module:Class'"
    ):
        find(do)


@pytest.mark.parametrize("name", ["Nothing", "NotAHandler", "function", "Handler", "Event"])
def test_what_is_no_handler_is_refused(package: str, name: str) -> None:
    with pytest.raises(LookupError, match=f"{package}.pager has 0 handlers {name}; one is needed"):
        find(f"{package}.pager:{name}")


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("broken", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("wrong", "SyntaxError"),
        ("raises", "RuntimeError: no connection"),
        ("missing", "ModuleNotFoundError"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(package: str, module: str, reason: str) -> None:
    with pytest.raises(LookupError, match=f"importing '{package}.{module}' failed: {reason}"):
        find(f"{package}.{module}:Pager")


@pytest.mark.parametrize("do", [":Pager", "..pager:Pager", ".:x", "a b:c"])
def test_an_import_path_that_is_none(do: str) -> None:
    with pytest.raises(LookupError, match="importing"):
        find(do)
