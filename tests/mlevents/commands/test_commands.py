"""`mlevents` itself, and its commands check, demo and mailbox."""

import json
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mlevents.__main__ import COMMANDS, main
from mlevents.local.mailbox import PORT
from tests.kit.started import ROOT, Started

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
WORKSPACES = f"workspaces:\n  mine: {{ id: {WORKSPACE} }}\n"
RULE = """
rules:
  - name: log-runs
    on: RunCompleted
    do: log
    with: { message: "fine" }
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A folder with rules and settings."""
    folder = tmp_path / "app"
    (folder / "rules").mkdir(parents=True)
    (folder / "rules/workspaces.yaml").write_text(WORKSPACES)
    (folder / "host.json").write_text('{"functionTimeout": "00:05:00"}')
    values = {"RULES_WORD": "hello", "AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    (folder / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    return folder


def check(app: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    code = main(["check", "--app", str(app)])
    return code, capsys.readouterr().out.splitlines()


def test_check_prints_what_each_rule_would_do(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the app's settings, and the first workspace that the rule is for."""
    (app / "rules/a.yaml").write_text(RULE.replace("fine", "${RULES_WORD} {{ workspace.name }}"))
    code, lines = check(app, capsys)
    assert code == 0
    assert lines == [
        "settings are those of local.settings.json",
        "rules/a.yaml:3: log-runs on RunCompleted: log info: hello mine",
        "1 rule in force in 1 file, no errors",
    ]


def test_check_ends_with_the_errors(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (app / "rules/a.yaml").write_text(RULE)
    (app / "rules/b.yaml").write_text(RULE.replace("do: log", "do: lgo").replace("log-", "b-"))
    code, lines = check(app, capsys)
    assert code == 1
    assert "Did you mean log?" in lines[-2]
    assert lines[-1] == "1 rule in force in 1 file, 1 error"


def test_check_counts_warnings_beside_errors(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They do not change the exit code."""
    (app / "rules/a.yaml").write_text(RULE)
    (app / "rules/b.yamll").write_text("")
    (app / "rules/c.yaml.txt").write_text("")
    code, lines = check(app, capsys)
    assert code == 0
    assert lines[-3].startswith("warning: rules/b.yamll:1:1: the file is ignored because of its name.")
    assert lines[-2].startswith("warning: rules/c.yaml.txt:1:1: ")
    assert lines[-1] == "1 rule in force in 1 file, no errors, 2 warnings"


def test_check_reports_that_no_rule_acts_without_workspaces(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (app / "rules/a.yaml").write_text(RULE)
    (app / "rules/workspaces.yaml").unlink()
    code, lines = check(app, capsys)
    assert code == 1
    assert lines[-1] == "no rule acts until workspaces.yaml is valid; 1 error"


def test_check_finds_handlers_in_the_app_s_folder(
    app: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any current folder."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    shutil.copytree(ROOT / "handlers", app / "acme_checked", ignore=shutil.ignore_patterns("__pycache__", "mail"))
    (app / "rules/a.yaml").write_text(RULE.replace("do: log", "do: acme_checked.log:Log"))
    code, lines = check(app, capsys)
    assert (code, lines[-1]) == (0, "1 rule in force in 1 file, no errors")


FINDING_HANDLERS = """
from collections.abc import Iterator
from handlers.base import Action, Finding, Handler, Outcome, Skipped
from schemas import Event

class Finds(Handler[Event]):
    def run(self, event: Event, action: Action) -> Outcome:
        return Skipped("")

    def findings(self) -> Iterator[Finding]:
        yield Finding("the file\\nis wrong", "rules/file.yml", 3)
        yield Finding("nobody knows where")

class Fails(Finds):
    def findings(self) -> Iterator[Finding]:
        raise LookupError("defect")
"""


def test_check_reports_findings_of_handlers_with_their_positions(
    app: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if finding them fails. Rules load without them."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (app / "acme_finding.py").write_text(FINDING_HANDLERS)
    (app / "rules/a.yaml").write_text(
        "rules:\n  - {name: a, on: RunCompleted, do: 'acme_finding:Finds'}\n"
        "  - {name: b, on: RunCompleted, do: 'acme_finding:Fails'}\n"
    )
    code, lines = check(app, capsys)
    assert code == 1
    assert lines[-4:] == [
        "rules/file.yml:3: the file is wrong (rule a, rules/a.yaml:2)",
        "rules/a.yaml:2: nobody knows where (rule a, rules/a.yaml:2)",
        "rules/a.yaml:3: acme_finding:Fails cannot check the settings: LookupError: defect",
        "2 rules in force in 1 file, 3 errors",
    ]


def test_check_loads_job_files_as_azure_ai_ml_does(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (app / "rules/jobs").mkdir()
    (app / "rules/jobs/job.yml").write_text("command: echo\nenvironment: azureml:e:1\ncompute: azureml:c\nfoo: 1\n")
    (app / "rules/a.yaml").write_text(
        RULE.replace("do: log", "do: pipeline").replace('message: "fine"', "job: jobs/job.yml")
    )
    code, lines = check(app, capsys)
    assert (code, lines[2:]) == (
        1,
        [
            "rules/jobs/job.yml:4: foo: Unknown field (rule log-runs, rules/a.yaml:3)",
            "1 rule in force in 1 file, 1 error",
        ],
    )


@pytest.mark.parametrize("followed", ["all", pytest.param("last", marks=pytest.mark.fuzz)])
def test_check_takes_linear_time_in_rules_that_follow_others(
    app: Path, capsys: pytest.CaptureFixture[str], followed: str
) -> None:
    """Each rule is planned once for an event, however many ways lead to it, and a chain may be long."""
    count = 40 if followed == "all" else 1300
    rules = ["rules:", "  - { name: r0, on: RunCompleted, do: log, with: { message: fine } }"]
    for number in range(1, count):
        names = range(number) if followed == "all" else [number - 1]
        after = ", ".join(f"r{name}" for name in names)
        rules.append(f"  - {{ name: r{number}, after: {{ rules: [{after}], outcome: failed }}, do: log }}")
    (app / "rules/a.yaml").write_text("\n".join(rules))
    code, lines = check(app, capsys)
    assert (code, lines[-1]) == (0, f"{count} rules in force in 1 file, no errors")
    assert len(lines) == count + 2
    assert f"r{count - 1} on RunCompleted: log info: " in lines[-2]


def test_check_escapes_control_characters_of_labels_in_errors(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They could clear the line, or print one that looks like the verdict."""
    label = '"\\e[31mdev\\n\\n9 rules in force, no errors": x'
    (app / "rules/workspaces.yaml").write_text(f"workspaces:\n  mine: {{ id: {WORKSPACE}, {label} }}\n")
    (app / "rules/a.yaml").write_text(RULE.replace("    do: log", "    in: { team: a }\n    do: log"))
    code, lines = check(app, capsys)
    assert code == 1
    assert [line for line in lines if "[31m" in line]
    assert "\x1b" not in "".join(lines)
    assert "9 rules in force, no errors" not in lines


INVALID_SETTINGS = [
    ("MLEVENTS_RETENTION", "1d", "MLEVENTS_RETENTION is 1d; it must be at least 2d"),
    ("MLEVENTS_TABLE", "my_table", "MLEVENTS_TABLE is 'my_table'; write 3 to 63 letters and digits, a letter first"),
    ("AzureWebJobsStorage", "garbage", "AzureWebJobsStorage "),
    ("AzureFunctionsJobHost__functionTimeout", "-1", "functionTimeout"),
    ("EMAIL_FROM", "nobody", "mail cannot be sent: EMAIL_FROM: "),
    ("EMAIL_SMTP_PORT", "abc", "mail cannot be sent: EMAIL_FROM is not set; EMAIL_SMTP_PORT: should be a port from 1"),
    ("EMAIL_SMTP_PORT", "70000", "EMAIL_SMTP_PORT: should be a port from 1 to 65535"),
    ("EMAIL_SMTP_SECURITY", "ssl", "EMAIL_SMTP_SECURITY: should be starttls, tls or none"),
]


@pytest.mark.parametrize("command", ["check", "start"])
@pytest.mark.parametrize("setting", INVALID_SETTINGS, ids=lambda setting: str(setting[0]))
def test_check_and_start_end_with_the_invalid_setting(
    app: Path, capsys: pytest.CaptureFixture[str], command: str, setting: tuple[str, str, str]
) -> None:
    """In one line, before anything is started."""
    name, value, message = setting
    (app / "rules/a.yaml").write_text(RULE)
    settings = json.loads((app / "local.settings.json").read_text())
    settings["Values"][name] = value
    (app / "local.settings.json").write_text(json.dumps(settings))
    assert main([command, "--app", str(app)]) == 1
    [line] = capsys.readouterr().out.splitlines()
    assert message in line


@pytest.mark.parametrize("command", ["check", "start"])
@pytest.mark.parametrize(
    "content", ["{", '{"extensions": {"queues": {"batchSize": 0}}}', '{"functionTimeout": "soon"}']
)
def test_check_and_start_end_with_the_invalid_host_json(
    app: Path, capsys: pytest.CaptureFixture[str], command: str, content: str
) -> None:
    (app / "host.json").write_text(content)
    assert main([command, "--app", str(app)]) == 1
    [line] = capsys.readouterr().out.splitlines()
    assert "host.json" in line


def test_start_ends_if_the_folder_for_its_files_is_a_file(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (app / ".mlevents").write_text("")
    assert main(["start", "--app", str(app)]) == 1
    [line] = capsys.readouterr().out.splitlines()
    assert f"{app}/.mlevents is a file; mails and storage are kept in a folder of that name: rename it" in line


def test_check_names_the_invalid_settings_file(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (app / "local.settings.json").write_text("{")
    code, [line] = check(app, capsys)
    assert code == 1
    assert line.startswith(f"{app}/local.settings.json, line 1, column 2")


@pytest.mark.services
def test_the_demo_without_node_tells_what_to_install() -> None:
    """In one line, not in a stack trace."""
    started = Started("demo", PATH="/nowhere")
    assert started.end() == 1
    assert started.lines[-1].endswith("install Node.js 20 or newer")
    assert len(started.lines) == 2


def test_the_demo_keeps_its_mails_apart_from_those_of_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise its dozens of mails stand between those that a user wants to see."""
    given: dict[str, object] = {}

    def not_started(app: Path, **options: object) -> None:
        given.update(options, app=app)
        raise OSError("no app in this test")

    monkeypatch.setattr("mlevents.commands.demo.demo.LocalApp", not_started)
    assert main(["demo"]) == 1
    assert given["app"] == ROOT
    assert given["folder"] == ROOT / ".mlevents" / "demo"


@pytest.mark.soak  # continuous integration runs the demo beside the tests
@pytest.mark.timeout(300)
def test_the_demo_uses_no_real_server_that_the_shell_names() -> None:
    """Neither the storage account nor the mail server. A terminal without arrows gets its lines, too."""
    real = {
        "AzureWebJobsStorage": "AccountName=real",
        "EMAIL_SMTP_HOST": "smtp.example.com",
        "EMAIL_ACS_ENDPOINT": "https://acs.example.com",
        "RULES_WS_CHURN_PROD": "nothing",
        "MLEVENTS_ARM_ENDPOINT": "https://management.azure.com",
        "AZURE_CLIENT_ID": "00000000-0000-0000-0000-00000000real",
    }
    started = Started("demo", **real, PYTHONIOENCODING="latin-1")
    code = started.end(seconds=280)
    assert code == 0, "\n".join(started.lines)
    assert "all as expected" in started.lines[-1]
    shown = "\n".join(started.lines)
    assert re.search(r"traffic of churn: churn-1-\w+ 100 %", shown)
    assert "not deployed: the only rule for it is log-everything" in shown
    assert re.search(r"traffic of churn: churn-1-\w+ 90 %, churn-3-\w+ 10 %", shown)
    assert "mail to ml-team@example.com: churn:3 failed" in shown
    assert re.search(r"job mle-1-[0-9a-f-]+ is started", shown)
    assert re.search(r"traffic of churn: churn-4-\w+ 100 %", shown)


@pytest.fixture
def port_is_free() -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            pytest.skip(f"something listens on port {PORT}")


@pytest.mark.usefixtures("port_is_free")
@pytest.mark.services
def test_the_mailbox_takes_mail_where_the_example_settings_send_it(tmp_path: Path) -> None:
    """Until Ctrl-C. Each mail is a file and a line. A second mailbox is refused."""
    values = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    host, port = values["EMAIL_SMTP_HOST"], int(values["EMAIL_SMTP_PORT"])
    started = Started("mailbox", "--app", str(tmp_path))
    folder = tmp_path / ".mlevents/mails"
    started.wait_for(re.escape(f"Mails to {host}:{port} are written to {folder}, and not delivered. Ctrl-C stops it."))
    with smtplib.SMTP(host, port, timeout=10) as client:
        client.sendmail("app@example.com", ["team@example.com"], "Subject: It came\r\n\r\nhere\r\n")
    started.wait_for(r"mail +0001  'It came'  to team@example\.com$")
    assert (folder / "0001-it-came.eml").read_bytes().endswith(b"here\r\n")
    second = Started("mailbox", "--app", str(tmp_path))
    assert second.end() == 1
    assert "is a mailbox running already?" in second.lines[-1]
    assert started.end(signal.SIGINT) == 0


@pytest.mark.parametrize("kind", ["rules", "workspaces", "tests"])
def test_schema_prints_the_schema_that_is_in_docs(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", kind]) == 0
    assert capsys.readouterr().out == (ROOT / f"docs/schemas/{kind}.schema.json").read_text(encoding="utf-8")


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """The help of a command as one line, without the colours that typer uses in GitHub Actions."""
    assert main([*command, "--help"]) == 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    return " ".join(text.replace("│", " ").split())


def test_the_list_of_commands_has_their_own_summaries(capsys: pytest.CaptureFixture[str]) -> None:
    """mlevents.__main__ has the summaries, so that --help imports no command."""
    listed = help_of(capsys)
    for name, (_, summary) in COMMANDS.items():
        assert f"{name} {summary}" in listed
        assert summary in help_of(capsys, name)


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS), ("azure", "register-model")])
def test_every_help_has_an_example_and_the_exit_codes(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    text = help_of(capsys, *command)
    assert f"$ {' '.join(['mlevents', *command])}" in text
    assert "Exit code: 0 " in text or len(command) > 1


@pytest.mark.services
def test_the_list_of_commands_imports_none_of_them() -> None:
    """So it is quick."""
    code = """
import sys
from mlevents.__main__ import main
main(["--help"])
print([name for name in sys.modules if name.startswith(("dispatch", "handlers", "emulator", "azure", "mlevents.c"))])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['mlevents.cli', 'mlevents.console']"


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert capsys.readouterr().out == f"mlevents {version}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing command (see mlevents --help)"),
        (["strat"], "No such command 'strat'. Did you mean 'start', 'status'? (see mlevents --help)"),
        (
            ["schema", "x"],
            "Invalid value for 'KIND': 'x' is not one of 'rules', 'workspaces', 'tests' (see mlevents schema --help)",
        ),
        (["azure"], "Missing command (see mlevents azure --help)"),
        (["check", "--nothing"], "No such option: --nothing (see mlevents check --help)"),
        (["azure", "register-model", "x"], "Missing argument 'version' (see mlevents azure register-model --help)"),
        (
            ["azure", "register-model", "x", "1", "--type", "y"],
            "Invalid value for '--type': 'y' is not one of 'mlflow_model', 'custom_model' "
            "(see mlevents azure register-model --help)",
        ),
        (
            ["replay"],
            "Name an EVENT_ID, or give one of --failed, --unmatched, --rejected and --dead-letters "
            "(see mlevents replay --help)",
        ),
    ],
)
def test_an_invalid_argument_is_one_line_on_stderr(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"{message}\n")


@pytest.mark.services
def test_the_script_runs_the_command_from_any_folder(tmp_path: Path) -> None:
    """`make install` copies it into .venv/bin."""
    project = tmp_path / "a project"
    (project / ".venv/bin").mkdir(parents=True)
    (project / ".venv/bin/python").symlink_to(sys.executable)
    for package in ROOT.glob("*/__init__.py"):
        (project / package.parent.name).symlink_to(package.parent)
    script = project / ".venv/bin/mlevents"
    shutil.copy(ROOT / "mlevents/mlevents.sh", script)
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))}
    done = subprocess.run(
        ["sh", script, "start", "--port", "a b"],
        cwd="/",
        env=environment | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "'a b' is not a port" in done.stderr


def test_the_commands_of_the_docs_exist() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")))
    named = set(re.findall(r"(?:bin/|^ *)mlevents ([a-z-]+)", text, re.M))
    assert named <= COMMANDS.keys()
    assert "mailbox" in named
