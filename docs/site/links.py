"""Where the links of a page lead: a page is written for GitHub, and links files of the whole repository."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
OUTSIDE = {"README.md": "index.md"}  # pages outside of docs/ that have a place of their own in the site
_BLOCK = re.compile(r"^(`{3,}).*?^\1$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<=\]\()(?P<target>[^)\s]+)(?=\))|(?<= src=\")(?P<source>[^\"]+)(?=\")")
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//[^>]*>"""
    r"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|preload|preconnect|icon)\b)[^>]*\bhref=["']?(?:https?:)?//[^>]*>"""
)
_LANGUAGES = {".yml": "yaml", ".py": "python", ".txt": "text", ".in": "text"}


def targets(text: str, folder: Path) -> Iterator[Path]:
    """The files and folders of the repository that a page in a folder links."""
    for found in _LINK.finditer(_BLOCK.sub("", text)):
        path, _, _ = found[0].partition("#")
        if path and "://" not in path and (folder / path).exists():
            yield (folder / path).resolve()


def in_site(path: Path) -> str:
    """The file of the site, below docs/, for a file of the repository. A folder stands for its README.md."""
    if path.is_dir():
        path /= "README.md"
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    name = path.relative_to(ROOT).as_posix()
    return OUTSIDE.get(name, f"project/{name}" + ("" if name.endswith(".md") else ".md"))


def page_of(path: Path) -> str:
    """The Markdown for a file outside of docs/: itself, or its text in a block."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    language = _LANGUAGES.get(path.suffix, path.suffix[1:])
    return f"# {path.name}\n\n`{path.relative_to(ROOT).as_posix()}`\n\n````{language}\n{text.rstrip()}\n````\n"


def rewritten(text: str, origin: Path, page: str) -> str:
    """The text of the page that stands in the site as `page`, with the links of its file in the repository replaced."""

    def replace(found: re.Match[str]) -> str:
        path, hash_sign, anchor = found[0].partition("#")
        linked = (origin.parent / path).resolve()
        if not path or "://" in path or not linked.exists():
            return found[0]
        return os.path.relpath(in_site(linked), PurePosixPath(page).parent) + hash_sign + anchor

    return outside_blocks(text, lambda part: _LINK.sub(replace, part))


def outside_blocks(text: str, change: Callable[[str], str]) -> str:
    """The text with its parts changed that are no fenced block."""
    parts, end = [], 0
    for block in _BLOCK.finditer(text):
        parts += [change(text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, change(text[end:])])


def loaded_from_elsewhere(html: str) -> str:
    """The first tag with which a page loads a file from another site; "" if there is none."""
    found = _LOADED.search(html)
    return found[0] if found else ""
