"""The generated pages: ``python -m docs.generate`` writes them, and tests/test_reference.py compares them.

docs/events.md and the samples are written by ``python -m samples.generate``, and docs/schemas by ``mlevents schema``.
"""

from pathlib import Path

from docs.generate import commands, cost, index, keys, settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "docs/cost.md": cost.page,
    "docs/reference/commands.md": commands.page,
    "docs/reference/keys.md": keys.page,
    "docs/reference/settings.md": settings.page,
    "llms.txt": index.page,  # last: it reads the others
}
