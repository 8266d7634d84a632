"""The worker process that runs the functions, and what the host does when it fails, hangs or dies."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from mlevents.console import Console
from mlevents.local.app import LocalApp
from mlevents.local.azurite import Azurite
from mlevents.local.host.functions import AppBroken, CallFailed, WorkerDied
from tests.mlevents.conftest import APPS, NEVER, Notes, Run, settings_of

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def shared_notes(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    return Notes(tmp_path_factory.mktemp("worker") / "notes.jsonl")


@pytest.fixture(scope="module")
def shared_app(azurite: Azurite, shared_notes: Notes) -> Iterator[LocalApp]:
    settings = settings_of(azurite, shared_notes, "worker")
    with LocalApp(APPS / "triggers", settings=settings, folder=shared_notes.path.parent, grace=0.5) as local:
        yield local


@pytest.fixture
def local(shared_app: LocalApp, shared_notes: Notes) -> LocalApp:
    """One app for all tests that do not break it, without the output of the last test."""
    shared_notes.clear()
    shared_app.console.lines.clear()
    shared_app.console.records.clear()
    return shared_app


def event(do: str) -> str:
    return json.dumps({"id": "1", "data": {"do": do}})


def printed(local: LocalApp, text: str) -> Callable[[], bool]:
    return lambda: any(text in line for line in local.lines)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_functions_run_in_another_process_in_the_app_s_folder(local: LocalApp, shared_notes: Notes) -> None:
    local.invoke("where", event(""))
    (where,) = shared_notes("where")
    assert where["pid"] == local.worker_pid != os.getpid()
    assert Path(where["cwd"]) == APPS / "triggers"


def test_installed_packages_come_before_the_app_s_modules(local: LocalApp, shared_notes: Notes) -> None:
    """As under Core Tools: a package shadows a module of the app with the same name."""
    local.invoke("where", event(""))
    path = [Path(entry) for entry in shared_notes("where")[0]["path"]]
    packages = next(n for n, entry in enumerate(path) if entry.name == "site-packages")
    assert packages < path.index(APPS / "triggers")


def test_the_worker_gets_the_settings_and_what_core_tools_adds(run: Run, notes: Notes) -> None:
    local = run(settings={"MINE": "1"})
    local.invoke("where", event(""))
    environment = notes("where")[0]["environment"]
    assert environment["MINE"] == "1"
    assert environment["PATH"] == os.environ["PATH"]
    assert environment["AZURE_FUNCTIONS_ENVIRONMENT"] == "Development"
    assert environment["WEBSITE_HOSTNAME"] == local.url.removeprefix("http://").replace("127.0.0.1", "localhost")


def test_an_app_that_cannot_be_indexed_is_refused_with_the_function_s_error() -> None:
    """One invalid annotation stops all functions; in Azure, too."""
    with pytest.raises(AppBroken, match="takes_a_dict") as error, LocalApp(APPS / "broken"):
        pass
    assert "Traceback" in error.value.stack


def test_a_folder_without_functions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text("{}")
    with pytest.raises(AppBroken, match=r"there is no function_app\.py"), LocalApp(tmp_path):
        pass


def test_an_app_without_functions_runs(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text("{}")
    (tmp_path / "function_app.py").write_text("import azure.functions as func\napp = func.FunctionApp()\n")
    with LocalApp(tmp_path) as local:
        assert local.worker_pid


def test_an_app_that_ends_its_process_while_it_loads_is_refused(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text("{}")
    (tmp_path / "function_app.py").write_text("print('going down')\nraise SystemExit(7)\n")
    app = LocalApp(tmp_path)
    with pytest.raises(WorkerDied, match="ended with exit code 7"), app:
        pass
    assert any("going down" in line for line in app.lines)


def test_a_failing_function_is_reported_with_its_stack_trace(local: LocalApp) -> None:
    with pytest.raises(CallFailed, match="ValueError: no luck") as error:
        local.invoke("single", event("fail no luck"))
    assert "in execute" in error.value.stack


def test_output_and_log_records_of_functions_appear_on_the_console(local: LocalApp) -> None:
    local.invoke("single", event("print hello\x1b[2Jworld"))
    local.invoke("single", event("log careful"))
    local.wait(printed(local, r"hello\x1b[2Jworld"))
    local.wait(printed(local, "app: careful"))


def test_an_invalid_log_call_does_not_fail_the_function(local: LocalApp) -> None:
    """Python's logging prints the error, and the function continues."""
    local.invoke("single", event("mislog three"))
    local.wait(printed(local, "--- Logging error ---"))


def test_the_runtime_s_debug_log_can_be_switched_on(run: Run) -> None:
    local = run(settings={"PYTHON_ENABLE_DEBUG_LOGGING": "1"}, console=Console(verbose=True))
    local.invoke("single", event(""))
    local.wait(printed(local, "azure.functions: "))
    assert printed(local, "single  (")()


def test_named_records_reach_the_host_with_all_keys(local: LocalApp) -> None:
    """Those of `dispatch.log.log_event`."""
    local.invoke("single", event('record {"name": "action.settled", "rule": "r", "handler": "h", "status": "failed"}'))
    record = local.wait(lambda: local.records)[0]
    assert record == {"name": "action.settled", "rule": "r", "handler": "h", "status": "failed"}
    assert any(line.endswith("failed     r") for line in local.lines)


def test_the_setting_limits_the_threads_of_synchronous_functions(run: Run) -> None:
    """With one thread, two calls that wait for each other time out."""
    local = run(settings={"PYTHON_THREADPOOL_THREAD_COUNT": "1", "AzureFunctionsJobHost__functionTimeout": "00:00:01"})
    with ThreadPoolExecutor() as threads:
        calls = [threads.submit(local.invoke, "single", event("meet")) for _ in range(2)]
        assert all(isinstance(call.exception(), CallFailed) for call in calls)


def test_a_dead_worker_fails_its_calls_at_once_and_is_replaced(run: Run) -> None:
    """All calls in the worker fail, not only the one that killed it."""
    local = run()
    first = local.worker_pid
    with ThreadPoolExecutor() as threads:
        other_call = threads.submit(local.invoke, "single", event("sleep 60"))
        with pytest.raises(CallFailed, match="was killed by SIGKILL"):
            local.invoke("single", event("die"))
        assert isinstance(other_call.exception(), WorkerDied)
    local.invoke("single", event(""))  # waits for the new one
    assert local.worker_pid not in {None, first}


def test_a_worker_that_exits_is_replaced(run: Run) -> None:
    local = run()
    with pytest.raises(CallFailed, match="ended with exit code 3"):
        local.invoke("single", event("exit 3"))
    local.invoke("single", event(""))


def test_a_worker_that_another_process_kills_is_replaced(run: Run) -> None:
    local = run()
    first = local.worker_pid
    assert first
    os.kill(first, signal.SIGKILL)
    local.wait(lambda: local.worker_pid not in {None, first})
    local.invoke("single", event(""))
    assert printed(local, "the worker process was killed by SIGKILL")()


def test_a_worker_that_dies_repeatedly_is_replaced_after_growing_pauses(run: Run) -> None:
    local = run()
    for _ in range(3):
        with pytest.raises(CallFailed):
            local.invoke("single", event("die"))
    local.wait(printed(local, "died 3 times without finishing a call"))
    local.invoke("single", event(""))


def test_the_host_gives_up_on_workers_that_never_finish_a_call(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlevents.local.host.host.MOST_DEATHS", 2)
    local = run()
    for _ in range(3):
        with pytest.raises(CallFailed):
            local.invoke("single", event("die"))
    with pytest.raises(CallFailed, match="died 3 consecutive times without finishing one call"):
        local.invoke("single", event(""))


def test_the_host_gives_up_when_the_app_can_no_longer_be_indexed(tmp_path: Path) -> None:
    """A user broke function_app.py, and then the worker died."""
    (tmp_path / "host.json").write_text("{}")
    script = tmp_path / "function_app.py"
    script.write_text(
        "import os\nimport azure.functions as func\napp = func.FunctionApp()\n"
        "@app.event_grid_trigger(arg_name='event')\ndef dies(event: str) -> None:\n    os._exit(1)\n"
    )
    with LocalApp(tmp_path) as local:
        script.write_text("import nothing_of_that_name\n")
        with pytest.raises(WorkerDied):
            local.invoke("dies", "{}")
        with pytest.raises(CallFailed, match="nothing_of_that_name"):
            local.invoke("dies", "{}")
        status = requests.get(f"{local.url}/admin/host/status", timeout=30).json()
        assert status["state"] == "Error"
        assert "nothing_of_that_name" in status["errors"][0]


def test_the_host_gives_up_on_an_app_that_kills_every_worker_that_loads_it(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text("{}")
    script = tmp_path / "function_app.py"
    script.write_text(
        "import os\nimport azure.functions as func\napp = func.FunctionApp()\n"
        "@app.event_grid_trigger(arg_name='event')\ndef dies(event: str) -> None:\n    os._exit(1)\n"
    )
    with LocalApp(tmp_path) as local:
        script.write_text("import os\nos._exit(9)\n")
        with pytest.raises(WorkerDied):
            local.invoke("dies", "{}")
        with pytest.raises(CallFailed, match="there is no worker: the worker process ended with exit code 9"):
            local.invoke("dies", "{}")


def test_function_timeout_kills_the_worker_with_all_its_calls(run: Run) -> None:
    """functionTimeout ends the process, and so every call in it."""
    local = run(settings={"AzureFunctionsJobHost__functionTimeout": "00:00:01"})
    first = local.worker_pid
    assert first
    with ThreadPoolExecutor() as threads:
        calls = [threads.submit(local.invoke, "single", event(f"sleep {n}")) for n in (30, 40)]
        errors = [call.exception() for call in calls]
    assert all(isinstance(error, CallFailed) for error in errors)
    assert any("functionTimeout, 0:00:01" in str(error) for error in errors)
    assert is_gone(first)
    local.invoke("single", event(""))


def test_child_processes_of_a_worker_end_with_it(tmp_path: Path) -> None:
    """They do not outlive a worker that functionTimeout killed."""
    (tmp_path / "host.json").write_text('{"functionTimeout": "00:00:01"}')
    (tmp_path / "function_app.py").write_text(
        "import pathlib, subprocess\nimport azure.functions as func\napp = func.FunctionApp()\n"
        "@app.event_grid_trigger(arg_name='event')\ndef waits(event: str) -> None:\n"
        "    helper = subprocess.Popen(['sleep', '60'])\n"
        "    pathlib.Path('pid').write_text(str(helper.pid))\n"
        "    helper.wait()\n"
    )
    with LocalApp(tmp_path) as local:
        with pytest.raises(CallFailed):
            local.invoke("waits", "{}")
        helper = int((tmp_path / "pid").read_text())
        local.wait(lambda: is_gone(helper) or is_zombie(helper))


def is_zombie(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return sys.platform == "linux" and status.exists() and status.read_text().split(") ")[1].startswith("Z")


def test_stopping_kills_a_worker_whose_function_does_not_end(notes: Notes) -> None:
    """After `grace`. The call fails."""
    settings = {"NOTES": str(notes.path), "WORK": "work", "TICKS": NEVER}
    with ThreadPoolExecutor() as threads:
        with LocalApp(APPS / "triggers", settings=settings, grace=0.2) as local:
            pid = local.worker_pid
            call = threads.submit(local.invoke, "single", event("sleep 60"))
            local.wait(lambda: notes("single"))
        assert isinstance(call.exception(), CallFailed)
    assert pid
    assert is_gone(pid)


def test_the_values_of_a_call_arrive_unchanged(local: LocalApp, shared_notes: Notes) -> None:
    """Any text does, with surrogates, NULs and huge numbers."""
    sent: dict[str, Any] = {"id": "\ud800\x00ü€😀\u2028", "n": 10**30, "data": {}}
    local.invoke("single", json.dumps(sent))
    assert json.loads(shared_notes("single")[0]["event"]) == sent
