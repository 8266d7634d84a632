"""The completion of commands and options in a shell, and the page of docs about commands."""

import os
import subprocess

import pytest

from mlevents.__main__ import COMMANDS
from tests.kit.started import COMMAND, ROOT


def completed(words: str, current: int) -> list[str]:
    """What bash would offer for the word with this index."""
    environment = {
        **os.environ,
        "_MLEVENTS_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(current),
    }
    found = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return found.stdout.split()


@pytest.mark.services
def test_commands_and_their_options_are_completed() -> None:
    assert completed("mlevents re", 1) == ["replay", "resume"]
    assert completed("mlevents pause --f", 2) == ["--for"]
    assert completed("mlevents azure fail", 2) == ["fail-job", "fail-deployment"]


@pytest.mark.services
def test_script_for_a_shell_can_be_printed() -> None:
    command = [*COMMAND, "--show-completion", "bash"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "_MLEVENTS_COMPLETE=complete_bash" in found.stdout


def test_page_of_commands_lists_the_exit_codes_of_each() -> None:
    lines = (ROOT / "docs/commands.md").read_text(encoding="utf-8").splitlines()
    listed = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert sorted(listed) == sorted(COMMANDS)
