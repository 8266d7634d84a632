"""Rows of tables in Markdown."""


def row(cells: list[str]) -> str:
    """A row: each cell on one line, and a | in it escaped."""
    texts = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
    return "".join(f"| {text} " if text else "| " for text in texts) + "|"
