"""Write the pages of docs/reference that the code determines: ``.venv/bin/python -m docs.generate``."""

from docs.generate import PAGES, ROOT

for path, text in PAGES.items():
    (ROOT / path).write_text(text(), encoding="utf-8")
