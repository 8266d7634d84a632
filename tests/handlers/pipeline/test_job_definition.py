"""Job files: what is an error when the rules load. tests/handlers/pipeline/test_azureml_jobs.py submits them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from handlers.pipeline import job_definition
from schemas import RunCompleted
from tests.handlers.pipeline.test_handler import world

INVALID: list[tuple[str, str]] = [
    ("type: sweep", "is a job of type 'sweep'; it must be pipeline or command"),
    ("type: pipeline\nsettings: { default_compute: azureml:local }", "has compute: local"),
    ("command: x\ncompute: local", "has compute: local"),
    ("type: pipeline", "is no pipeline job: it has no 'jobs' and no 'component'"),
    ("- a list", "should contain a job: a mapping"),
    ("a: [", "is not YAML"),
    ("command: x\na: &a [*a]", "*a contains itself"),
    ("command: x\ninputs: { d: 2026-02-31 }", "is not YAML: day is out of range"),
    (f"command: x\na: {'[' * 60}{']' * 60}", "is not YAML"),
    ("command: x\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}' if n else 1}]\n" for n in range(60)), "more than 40 levels"),
    (f"command: x\nlist: [{'a, ' * 20_000}]", "too many nodes"),
    (f"command: {'x' * 300_000}", "is larger than 262,144 bytes"),
    ("type: [pipeline]", "type should be a text"),
    ("command: x\ncompute: [local]", "compute should be a text"),
    ("type: pipeline\nsettings: { default_compute: { a: b } }", "settings.default_compute should be a text"),
    ("command: x\ntags: { x: [1] }", "tags.x should be a text"),
    ("command: x\nexperiment_name: [1]", "experiment_name should be a text"),
    ("command: x\ninputs: { d: { type: [1] } }", "inputs.d.type should be a text"),
]
BOMB = "a0: &a0 [lol, lol]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]\n" for n in range(1, 10))


@pytest.mark.parametrize(("text", "message"), INVALID, ids=[message for _, message in INVALID])
def test_invalid_job_file_is_reported(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/job.txt").write_text(text)
    [error] = world(tmp_path, {"job": "job.txt"}).loaded.errors
    assert message in str(error)


@pytest.mark.parametrize("use", ["tags: { x: *a9 }", "type: *a9", "compute: *a9", "inputs: { d: { type: *a9 } }"])
def test_expansion_of_aliases_is_limited(use: str, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/job.txt").write_text(f"{BOMB}command: echo\n{use}\n")
    [error] = world(tmp_path, {"job": "job.txt"}).loaded.errors
    assert "'job.txt' is not YAML: too many nodes" in str(error)


def test_job_file_is_parsed_again_only_after_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[bytes] = []
    load = job_definition._load

    def counted(data: bytes, name: str) -> Mapping[str, Any]:
        loads.append(data)
        return load(data, name)

    monkeypatch.setattr(job_definition, "_load", counted)
    (tmp_path / "rules").mkdir()
    file = tmp_path / "rules/job.txt"
    for text in ("command: one", "command: two"):
        file.write_text(text)
        loaded = world(tmp_path, {"job": "job.txt"}).loaded
        assert loaded.errors == ()
        loaded.by_name["retrain"].handler.plan(RunCompleted.example())
    assert loads == [b"command: one", b"command: two"]


def test_symbolic_link_out_of_the_app_s_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "rules/jobs").mkdir(parents=True)
    (tmp_path / "outside.yml").write_text("command: x")
    (tmp_path / "rules/jobs/job.yml").symlink_to(tmp_path / "outside.yml")
    [error] = world(tmp_path, {"job": "jobs/job.yml"}).loaded.errors
    assert "is outside of the app's folder" in str(error)
