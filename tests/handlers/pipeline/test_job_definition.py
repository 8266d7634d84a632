"""Job files: what is an error when the rules load. tests/handlers/pipeline/test_azureml_jobs.py submits them."""

from pathlib import Path

import pytest

from tests.handlers.pipeline.test_handler import world

INVALID: list[tuple[str, str]] = [
    ("type: sweep", "is a job of type 'sweep'; it must be pipeline or command"),
    ("type: pipeline\nsettings: { default_compute: azureml:local }", "has compute: local"),
    ("command: x\ncompute: local", "has compute: local"),
    ("type: pipeline", "is no pipeline job: it has no 'jobs' and no 'component'"),
    ("- a list", "should contain a job: a mapping"),
    ("a: [", "is not YAML"),
]


@pytest.mark.parametrize(("text", "message"), INVALID, ids=[message for _, message in INVALID])
def test_invalid_job_file_is_reported(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/job.txt").write_text(text)
    [error] = world(tmp_path, {"job": "job.txt"}).loaded.errors
    assert message in str(error)


def test_symbolic_link_out_of_the_app_s_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "rules/jobs").mkdir(parents=True)
    (tmp_path / "outside.yml").write_text("command: x")
    (tmp_path / "rules/jobs/job.yml").symlink_to(tmp_path / "outside.yml")
    [error] = world(tmp_path, {"job": "jobs/job.yml"}).loaded.errors
    assert "is outside of the app's folder" in str(error)
