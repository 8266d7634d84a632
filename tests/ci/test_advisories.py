"""`make audit`: published advisories fail it, unless they are accepted; a service that cannot be reached does not."""

import json
import subprocess
from typing import Any

import pytest

from advisories import ACCEPTED, AcceptedFileError, accepted, main

VULNERABLE = {
    "name": "jinja2",
    "version": "3.1.2",
    "vulns": [{"id": "PYSEC-2024-1", "fix_versions": ["3.1.3", "4.0"], "aliases": ["GHSA-h5c8-rqwp-cp95"]}],
}
CLEAN = {"name": "rich", "version": "15.0.0", "vulns": []}
UNKNOWN = {"name": "internal", "skip_reason": "Dependency not found on PyPI and could not be audited: internal (1.0)"}
VIA = {"name": "lodash", "url": "https://github.com/advisories/GHSA-35jh-r3h4-6jhm", "range": "<4.17.21"}
NPM = {"metadata": {"dependencies": {"total": 374}}, "vulnerabilities": {}}
NPM_VULNERABLE = NPM | {"vulnerabilities": {"lodash": {"via": [VIA]}, "azurite": {"via": ["lodash"]}}}
NPM_UNREACHABLE = {"message": "request to the registry failed, reason: getaddrinfo ENOTFOUND", "error": {}}


def audit(
    capsys: pytest.CaptureFixture[str], python: Any, npm: Any = NPM, text: str = "", stderr: str = ""
) -> tuple[int, list[str]]:
    """The exit code of an audit with these answers of the services, and the lines that it prints."""

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        answer = npm if command[0] == "npm" else python
        return subprocess.CompletedProcess(
            command, 1, answer if isinstance(answer, str) else json.dumps(answer), stderr
        )

    code = main(run, text)
    return code, capsys.readouterr().out.splitlines()


def listed(id: str) -> str:
    return f'[[accepted]]\nid = "{id}"\nreason = "only sandboxed"\ndate = 2026-11-01\n'


def test_locked_versions_without_advisories_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(capsys, {"dependencies": [CLEAN]}) == (0, ["PyPI: packages checked: 1", "npm: packages checked: 374"])


def test_an_advisory_fails_the_audit_and_its_fix_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """One that pip-audit found in two lock files is reported once."""
    code, lines = audit(capsys, {"dependencies": [CLEAN, VULNERABLE, VULNERABLE]})
    assert code == 1
    assert "PyPI: jinja2 3.1.2: PYSEC-2024-1; fixed in: 3.1.3, 4.0" in lines
    assert len(lines) == 3


def test_an_advisory_of_npm_fails_the_audit(capsys: pytest.CaptureFixture[str]) -> None:
    """Packages that are affected through another one are not listed again."""
    code, lines = audit(capsys, {"dependencies": [CLEAN]}, NPM_VULNERABLE)
    assert (code, lines[2:]) == (1, ["npm: lodash <4.17.21: GHSA-35jh-r3h4-6jhm; fixed in: no version yet"])


@pytest.mark.parametrize("id", ["PYSEC-2024-1", "GHSA-h5c8-rqwp-cp95"])
def test_an_accepted_advisory_passes_under_any_of_its_ids(capsys: pytest.CaptureFixture[str], id: str) -> None:
    code, lines = audit(capsys, {"dependencies": [VULNERABLE]}, text=listed(id))
    assert (code, lines[1]) == (0, "PyPI: jinja2 3.1.2: PYSEC-2024-1; accepted: only sandboxed")


def test_another_advisory_beside_an_accepted_one_fails(capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = audit(capsys, {"dependencies": [VULNERABLE]}, NPM_VULNERABLE, listed("PYSEC-2024-1"))
    assert code == 1


def test_an_accepted_advisory_that_is_not_reported_any_more_is_to_be_removed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """If both services were asked about everything."""
    line = "accepted-advisories.toml: GHSA-1 is not reported any more; remove it"
    assert audit(capsys, {"dependencies": [CLEAN]}, text=listed("GHSA-1"))[1][-1] == line
    assert line not in audit(capsys, {"dependencies": [CLEAN, UNKNOWN]}, text=listed("GHSA-1"))[1]
    assert line not in audit(capsys, {"dependencies": [CLEAN]}, NPM_UNREACHABLE, listed("GHSA-1"))[1]


def test_services_that_cannot_be_reached_are_reported_in_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    stderr = "INFO:pip_audit:x\nERROR:pip_audit._cli:Tip: your network may be blocking this service.\n"
    code, lines = audit(capsys, "", NPM_UNREACHABLE, stderr=stderr)
    assert code == 0
    assert lines == [
        "PyPI: not checked: ERROR:pip_audit._cli:Tip: your network may be blocking this service.",
        "npm: not checked: request to the registry failed, reason: getaddrinfo ENOTFOUND",
    ]
    assert audit(capsys, "", "")[1] == ["PyPI: not checked: exit code 1", "npm: not checked: exit code 1"]


def test_packages_that_the_service_does_not_know_do_not_count_as_checked(capsys: pytest.CaptureFixture[str]) -> None:
    """A mirror without the advisories answers 404 for all of them, which pip-audit calls a success."""
    code, lines = audit(capsys, {"dependencies": [UNKNOWN, UNKNOWN]})
    assert (code, lines[0]) == (0, "PyPI: not checked: 2 of 2 packages, which the service does not know")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[[accepted]]\nid = 'GHSA-1'\nreason = 'x'\n", "entry 1 has no date"),
        ("[[accepted]]\nid = 'GHSA-1'\nreason = ''\ndate = 2026-11-01\n", "entry 1 has no reason"),
        ("[[accepted]]\nreason = 'x'\ndate = 2026-11-01\n", "entry 1 has no id"),
        ("[[accepted]]\nid = 'GHSA-1'\nreason = 'x'\ndate = 'today'\n", "entry 1 has no date"),
        ("[[accepted]\n", "accepted-advisories.toml: "),
    ],
)
def test_an_advisory_is_accepted_only_with_reason_and_date(
    capsys: pytest.CaptureFixture[str], text: str, error: str
) -> None:
    with pytest.raises(AcceptedFileError, match=error):
        accepted(text)
    assert audit(capsys, {"dependencies": []}, text=text)[0] == 2


def test_the_file_of_accepted_advisories_is_valid() -> None:
    accepted(ACCEPTED.read_text(encoding="utf-8"))
