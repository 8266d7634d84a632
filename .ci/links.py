"""Request every link of the docs to another site, and report those that lead nowhere: ``make links``."""

import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"\]\((https://[^)\s]+)\)")
_TIMEOUT = 20  # seconds
_GONE = {404, 410}  # other answers, such as 403 and 429, are about who asks


def links_in(pages: Iterable[Path]) -> dict[str, list[str]]:
    """The links to other sites, without anchors, and the pages that have them."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for page in pages:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for link in _LINK.findall(text):
            found[link.partition("#")[0]].append(page.relative_to(ROOT).as_posix())
    return dict(found)


def problem(link: str) -> str:
    """Why a link leads nowhere; "" if it does not, or if that cannot be said."""
    try:
        status = requests.get(link, timeout=_TIMEOUT, stream=True).status_code
    except requests.RequestException as error:
        print(f"{link}: not checked: {type(error).__name__}")
        return ""
    return f"{link}: {status}" if status in _GONE else ""


def main() -> int:
    """Check all links; returns 1 if one leads nowhere."""
    found = links_in([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
    with ThreadPoolExecutor(8) as pool:
        problems = [text for text in pool.map(problem, found) if text]
    for text in problems:
        print(f"{text}, in {', '.join(found[text.rpartition(': ')[0]])}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
