"""`mlevents new handler`. tests/test_handler_page.py checks what it writes."""

from pathlib import Path

import pytest

from mlevents.__main__ import main
from mlevents.testing import RecordingServer, run_rules
from mlevents.testing.__main__ import PORT
from schemas import RunStatusChanged


def new(app: Path, name: str) -> int:
    return main(["new", "handler", name, "--app", str(app)])


def files(app: Path) -> set[str]:
    return {path.relative_to(app).as_posix() for path in app.rglob("*") if path.is_file()}


def test_a_handler_and_its_test_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new(tmp_path, "acme.chat") == 0
    written = {"acme/__init__.py", "acme/chat.py", "tests/acme/__init__.py", "tests/acme/test_chat.py"}
    assert files(tmp_path) == written | {"tests/__init__.py"}
    out = capsys.readouterr().out
    assert all(f"wrote {file}\n" in out for file in written)
    assert "pytest tests/acme/test_chat.py" in out
    assert f"http://localhost:{PORT}/" in out


def test_the_rule_that_it_prints_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the service that it names, here on another port."""
    assert new(tmp_path, "acme_of_new.on_call") == 0
    out = capsys.readouterr().out
    rule = out[out.index("rules:\n") : out.index("Try it")]
    monkeypatch.syspath_prepend(tmp_path)
    with RecordingServer() as server:
        [ended] = run_rules(rule.replace(str(PORT), str(server.port)), RunStatusChanged.example())
    assert (ended.rule, ended.status, len(server.requests)) == ("on-call", "succeeded", 1)


def test_packages_that_exist_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new(tmp_path, "acme.chat") == 0
    (tmp_path / "acme/__init__.py").write_text('"""Ours."""\n')
    assert new(tmp_path, "acme.on_call.pager_duty") == 0
    assert (tmp_path / "acme/__init__.py").read_text() == '"""Ours."""\n'
    assert "class PagerDuty(" in (tmp_path / "acme/on_call/pager_duty.py").read_text()
    assert "wrote acme/__init__.py" not in capsys.readouterr().out.partition("Use it")[2]


@pytest.mark.parametrize("existing", ["acme/chat.py", "tests/acme/test_chat.py"])
def test_no_file_is_overwritten(tmp_path: Path, existing: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / existing
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    (tmp_path / "acme").mkdir(exist_ok=True)
    (tmp_path / "acme/__init__.py").touch()
    before = files(tmp_path)
    assert new(tmp_path, "acme.chat") == 1
    assert capsys.readouterr().out == f"{existing} exists already; nothing was written\n"
    assert (files(tmp_path), path.read_text()) == (before, "mine")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tests").write_text("a file")
    assert new(tmp_path, "acme.chat") == 1
    assert f"cannot write {tmp_path}/tests" in capsys.readouterr().out


def test_a_class_is_not_named_like_what_its_module_imports(tmp_path: Path) -> None:
    for module, name in (("event", "EventHandler"), ("answer", "AnswerHandler"), ("run", "Run")):
        assert new(tmp_path, f"acme.{module}") == 0
        assert f"class {name}(HttpHandler[Event]):" in (tmp_path / f"acme/{module}.py").read_text()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "'' has no package: write your own before it, as in acme.chat"),
        ("chat", "'chat' has no package: write your own before it, as in acme.chat"),
        ("Acme.chat", "'Acme' in 'Acme.chat' is not made of small letters, digits and _, a letter first: write acme"),
        ("acme.my-chat", "'my-chat' in 'acme.my-chat' is not made of small letters, digits and _, a letter first: "),
        ("acme.2chat", "a letter first: write chat"),
        ("acme.", "'' in 'acme.' is not made of small letters, digits and _, a letter first (see "),
        ("../acme.chat", "a letter first"),
        ("acme.class", "'class' in 'acme.class' is a keyword of Python: write class_handler"),
        ("acme.chat:Chat", "'acme.chat:Chat': leave out :Chat; the class is named after its module"),
        ("acme.chat.Chat", "a letter first: write chat"),
        ("handlers.chat", "handlers/ is a part of this project: choose a package of your own"),
        ("docs.chat", "docs/ is a part of this project"),
        ("json.chat", "Python itself has a module 'json': choose another name"),
        ("yaml.chat", "the installed package PyYAML has a module 'yaml', which would be imported instead"),
        ("data.chat", "data exists and is not a package: choose another name, or add data/__init__.py"),
        (f"acme.{'x' * 60}", "has 65 characters; at most 50 are possible"),
    ],
)
def test_a_name_that_could_not_be_used_is_refused(
    tmp_path: Path, name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    assert new(tmp_path, name) == 2
    assert message in capsys.readouterr().err
    assert files(tmp_path) == set()


def test_a_folder_that_is_not_published_is_no_package(tmp_path: Path) -> None:
    """Each folder in .funcignore is refused."""
    lines = (Path(__file__).parents[3] / ".funcignore").read_text(encoding="utf-8").splitlines()
    names = [line.strip("/") for line in lines if line.startswith("/") and line.strip("/").isidentifier()]
    assert "infra" in names
    for name in names:
        if name.islower() and name not in ("__pycache__", "__blobstorage__", "__queuestorage__"):
            assert new(tmp_path, f"{name}.chat") == 2, name
