"""The code on all pages: rules load, commands have the options that they are given, JSON and Python are valid."""

import json
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from dispatch.rules import load
from mlevents.__main__ import COMMANDS
from tests.kit.world import SETTINGS, WORKSPACES

ROOT = Path(__file__).parents[1]
PAGES = {str(page.relative_to(ROOT)): page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))}
EACH_PAGE = pytest.mark.parametrize("name", PAGES)
ELSEWHERE = {"acme.approval:Approval", "acme.chat:Chat"}  # handlers that tests/test_handler_page.py writes
VALUES = {  # of settings that rules on the pages read, if not any URL is valid
    "RULES_FABRIC_PIPELINE": "11111111-1111-1111-1111-111111111111",
    "RULES_FABRIC_WORKSPACE": "22222222-2222-2222-2222-222222222222",
    "RULES_GITHUB_APP": "12345",
    "RULES_GITHUB_APP_KEY": r"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----",
    "RULES_HOOK_SECRET": "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0",
    "RULES_HOOK_SECRET_BEFORE": "whsec_YmVmb3JlLWJlZm9yZS1iZWZvcmUtYmVmb3Jl",
    "RULES_SLACK_TOKEN": "xoxb-1",
    "RULES_SLACK_URL": "https://hooks.slack.com/services/T0/B0/x",
    "RULES_TEAMS_URL": "https://prod-1.westeurope.logic.azure.com/workflows/1",
}
OF_THE_READER = ("there is no rule", "there is no workspace", "cannot be read: No such file")
ADDED = {"docs/architecture.md": "unknown event type"}  # the page shows how to add one
SHORT = re.compile(r"…|\.\.\.")  # where a page leaves something out

pytestmark = pytest.mark.services  # importing all commands starts a process: an SDK asks about the platform


def blocks(language: str, name: str) -> list[str]:
    """The fenced blocks of a language on a page, without the indentation of a list that they stand in."""
    found = re.findall(
        rf"^( *)```{language}\n(.*?)^\1```$", PAGES[name].read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def rules_in(block: str) -> str:
    """The block as a rules file; "" if it is another kind of YAML, such as a job."""
    value = yaml.safe_load(block)
    if isinstance(value, dict) and "rules" in value and "workspaces" not in value:
        return block
    is_list = isinstance(value, list) and all(isinstance(each, dict) and "name" in each for each in value)
    if not is_list or not all("on" in each or True in each or "after" in each for each in value):
        return ""
    return "rules:\n" + "".join(f"  {line}\n" for line in block.splitlines())


@EACH_PAGE
def test_blocks_of_yaml_are_valid(name: str) -> None:
    for block in blocks("yaml", name):
        list(yaml.safe_load_all(block))


@EACH_PAGE
def test_rules_on_a_page_load(name: str, tmp_path: Path) -> None:
    """All of them together, with any setting that they read. A rule may follow one of another page."""
    texts = [text for block in blocks("yaml", name) if not SHORT.search(block) and (text := rules_in(block))]
    settings = dict.fromkeys(re.findall(r"\$\{(RULES_\w+)}", "".join(texts)), "https://example.com/x")
    (tmp_path / "workspaces.yaml").write_text(WORKSPACES)
    for folder in ("jobs", "deployments"):
        (tmp_path / folder).symlink_to(ROOT / "samples/rules" / folder)
    names: set[str] = set()
    for number, text in enumerate(texts):
        own = {each["name"] for each in yaml.safe_load(text)["rules"]}
        if not own & names and not any(f"do: {handler}" in text for handler in ELSEWHERE):
            (tmp_path / f"block{number}.yaml").write_text(text)
            names |= own
    problems = [str(error) for error in load(tmp_path, {**settings, **VALUES, **SETTINGS}).errors]
    expected = (*OF_THE_READER, *([ADDED[name]] if name in ADDED else []))
    assert [problem for problem in problems if not any(text in problem for text in expected)] == []


@EACH_PAGE
def test_blocks_of_json_are_valid(name: str) -> None:
    for block in blocks("json", name):
        if not SHORT.search(block):
            json.loads(block)


@EACH_PAGE
def test_blocks_of_python_compile(name: str) -> None:
    for block in blocks("python", name):
        compile(block, name, "exec")


def commands_of(name: str) -> list[list[str]]:
    """The words of each command `mlevents …` and `make …` in the blocks of a page, and in its text."""
    text = PAGES[name].read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for block in blocks("sh", name) for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"^    (\S.*)$", text, re.MULTILINE) + re.findall(r"`((?:mlevents|make) [^`\n]+)`", text)
    found = (re.search(r"(?:^|\s)(?:\S*/)?((?:mlevents|make) .*)", line) for line in lines)
    return [words for each in found if each and (words := _words(each[1]))]


def _words(line: str) -> list[str]:
    """The words of a command, up to a comment, a pipe or a redirection."""
    if SHORT.search(line.partition(" #")[0]):
        return []
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return []
    ends = (n for n, word in enumerate(words) if word in {"|", ">", "&&", ";"})
    return words[: next(ends, len(words))]


@EACH_PAGE
def test_commands_have_the_options_that_a_page_gives(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for tool, *words in commands_of(name):
        if tool == "make":
            assert {word for word in words if re.fullmatch("[a-z-]+", word)} <= targets, words
        elif words and words[0] in COMMANDS:
            assert [
                word for word in words if re.match("--?[a-z]", word) and word.partition("=")[0] not in _options(words)
            ] == []


def _options(words: list[str]) -> set[str]:
    """The options of a command, or of its subcommand."""
    command: Any = get_command(import_module(f"mlevents.commands.{COMMANDS[words[0]][0]}").cli)
    inner = next((word for word in words[1:] if word in getattr(command, "commands", {})), "")
    parameters = command.params + (command.commands[inner].params if inner else [])
    return {"--help", *(option for each in parameters for option in (*each.opts, *each.secondary_opts))}


def test_rules_and_commands_are_found() -> None:
    """Otherwise the tests above would check nothing."""
    assert len([1 for name in PAGES for block in blocks("yaml", name) if rules_in(block)]) > 50
    found = [words for name in PAGES for words in commands_of(name)]
    assert len([words for words in found if words[0] == "mlevents"]) > 80
    assert ["make", "docs"] in found
    assert _words("mlevents replay --failed --from 2026-11-22 | jq .  # x") == [
        *("mlevents", "replay", "--failed", "--from", "2026-11-22")
    ]


def quoted_messages() -> list[str]:
    """The messages that docs/troubleshooting.md quotes from this project: in `code`, in the first column of a table."""
    page = PAGES["docs/troubleshooting.md"].read_text(encoding="utf-8")
    cells = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    return [text for text in cells if " " in text]


@pytest.mark.parametrize("message", quoted_messages())
def test_messages_in_troubleshooting_are_those_of_the_code(message: str) -> None:
    """Each part between two gaps stands in a file of the project; a text may go on in the next literal."""
    folders = ("dispatch", "handlers", "schemas", "web", "mlevents")
    code = "\n".join(file.read_text(encoding="utf-8") for folder in folders for file in (ROOT / folder).rglob("*.py"))
    joined = re.sub(r'"\s*\n\s*f?"', "", code)
    for part in filter(None, (part.strip(" :") for part in message.split("…"))):
        assert part in joined, part
