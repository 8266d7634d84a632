"""llms.txt: the pages of the documentation with one line each, for assistants. See llmstxt.org for the format."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_INTRODUCTION = """\
# azureml-events

> Event handlers for Azure Machine Learning: an Azure Functions app in Python that acts on workspace events by rules in
> YAML. It records each event, retries, and repeats nothing that has succeeded.

[README](README.md) is one screen. [AGENTS.md](AGENTS.md) says how to work on the code. `python -m docs.generate`
writes this file from the navigation in mkdocs.yml.
"""


def page() -> str:
    """The file."""
    _, _, navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")
    parts = [_INTRODUCTION]
    for line in navigation.splitlines():
        if section := re.fullmatch(r" +- ([^:]+):", line):
            parts += ["", f"## {section[1]}", ""] if line.startswith("  - ") else []
        elif named := re.fullmatch(r" +- (?:[^:]+: )?(\S+\.md)", line):
            path = "README.md" if named[1] == "index.md" else f"docs/{named[1]}"
            title, about = title_and_about((ROOT / path).read_text(encoding="utf-8"))
            parts.append(f"- [{title}]({path}): {about}")
    return "\n".join([*parts, ""]).replace("\n\n\n", "\n\n")


def title_and_about(text: str) -> tuple[str, str]:
    """The first heading of a page, and the first sentence of its first paragraph, without links."""
    _, title, rest = re.split(r"^# (.+)$", text, maxsplit=1, flags=re.MULTILINE)
    paragraph = next(part for part in rest.split("\n\n") if part.strip() and not part.lstrip().startswith(("```", "|")))
    sentence = re.split(r"(?<=[.!?])\s", " ".join(paragraph.split()).removeprefix("**What.** "), maxsplit=1)[0]
    sentence = sentence.rstrip(".:").replace("**", "")
    return title, re.sub(r"\[([^]]+)]\([^)]+\)", r"\1", sentence)
