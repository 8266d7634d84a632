"""The pictures of the docs: they are shown, they request nothing, and `make pictures` can make them."""

import re
import struct
import sys
from email.message import EmailMessage
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from docs.pictures import make, spans
from docs.pictures.terminal import COLUMNS, LONGEST, ROWS, Line, Recording, picture
from mlevents.commands.demo.demo import NEXT
from tests.kit.otlp import ReceivedSpan
from tests.test_docs import blocks

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs/pictures"
FILES = sorted(path for path in FOLDER.iterdir() if path.suffix in (".png", ".svg"))
EACH_FILE = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
SVG = "{http://www.w3.org/2000/svg}"


@EACH_FILE
def test_each_picture_is_shown_with_a_text_that_describes_it(file: Path) -> None:
    shown: dict[Path, str] = {}
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        found = re.findall(r"!\[([^]]*)]\(([^)]+)\)", text)
        found += [(words, path) for path, words in re.findall(r'<img src="([^"]+)".* alt="([^"]+)">', text)]
        shown |= {(page.parent / path).resolve(): words for words, path in found}
    assert len(shown[file]) > 30


@EACH_FILE
def test_each_picture_is_small(file: Path) -> None:
    content = file.read_bytes()
    assert len(content) < 160_000
    if file.suffix == ".png":
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", content[16:24])
        assert 600 <= width <= 2_000
        assert 300 <= height <= 2_000


@pytest.mark.parametrize("name", ["demo.svg", "spans.svg"])
def test_drawings_request_nothing_and_run_nothing(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    tags = {element.tag.removeprefix(SVG) for element in Xml.fromstring(text).iter()}
    assert not tags & {"script", "image", "use", "foreignObject", "a", "link"}
    assert not re.search(r"@import|@font-face|url\((?!#)|\bhref\b|\bon\w+=", text)


def text_of(svg: str) -> str:
    """The text of a drawing, with a space for each space."""
    texts = (element.text or "" for element in Xml.fromstring(svg).iter(f"{SVG}text"))
    return "\n".join(texts).replace("\xa0", " ")


def test_recording_shows_the_whole_demo() -> None:
    """Run `make pictures` again if the demo has changed."""
    text = text_of((FOLDER / "demo.svg").read_text(encoding="utf-8"))
    assert f"$ {make.COMMAND}" in text
    for part in (
        "Recorded events and actions",
        "Mails",
        "the mail says why",
        "A model monitor finds drift",
        "nightly-train did not",
        "all as expected",
        "Ctrl-C stops",
    ):
        assert part in text
    assert make.COMMAND in dict(NEXT)


def test_recording_shows_each_line_at_its_time_and_then_the_last_ones() -> None:
    lines = [Line(100.0 + 0.1 * n, f"line {n}") for n in range(ROWS + 2)]
    svg = picture("a <command>", lines)
    assert 'aria-label="a &lt;command&gt;"' in svg
    assert [f"line {n}" in text_of(svg) for n in range(ROWS + 2)] == [True] * (ROWS + 2)
    seconds = float(re.findall(r"animation: rows ([\d.]+)s", svg)[0])
    assert seconds == pytest.approx(LONGEST + 0.1 * (ROWS + 1) + 6.0, abs=0.06)
    still = re.findall(r"\.rows \{ transform: translateY\(-([\d.]+)px\)", svg)
    assert still == ["48.8"]  # two rows: without motion, the last lines are visible
    [cover] = re.findall(r"@keyframes cover \{(.*)\}$", svg, re.MULTILINE)
    assert cover.count("%") == ROWS + 1


def test_a_pause_of_a_minute_is_short_in_a_recording() -> None:
    svg = picture("c", [Line(0.0, "first"), Line(60.0, "second")])
    assert float(re.findall(r"animation: rows ([\d.]+)s", svg)[0]) == pytest.approx(2 * LONGEST + 6.0)


def test_long_lines_continue_in_the_next_row_as_in_a_terminal() -> None:
    rows = text_of(picture("c", [Line(0.0, "x" * (COLUMNS + 1))])).splitlines()
    assert "x" * COLUMNS in rows
    assert "x" in rows


def test_colors_are_kept_and_texts_are_escaped() -> None:
    svg = picture("c", [Line(0.0, "\x1b[32mgreen\x1b[0m <script>&amp;")])
    assert "<script>&amp;" in text_of(svg)
    colors = re.findall(r"\.terminal-r\d+ \{ fill: (#[0-9a-f]{6})", svg)
    assert len(set(colors)) >= 2


@pytest.mark.services
def test_a_command_is_recorded_in_a_terminal_of_80_columns() -> None:
    code = "import os, sys; print(sys.stdout.isatty(), os.get_terminal_size().columns); print('the ä end'); input()"
    recording = Recording([sys.executable, "-c", code], ROOT)
    assert recording.until("end") == "the ä end"
    assert [line.text for line in recording.lines] == [f"True {COLUMNS}", "the ä end"]
    recording.process.kill()
    with pytest.raises(EOFError, match="the ä end"):
        recording.until("never")
    recording.close()


def test_address_of_the_page_is_read_from_the_demo() -> None:
    line = "\x1b[1mThe app keeps running. See what happened at http://127.0.0.1:7/api/web\x1b[0m"
    assert make.address_in(line) == "http://127.0.0.1:7/api/web"


def test_the_newest_mail_with_the_subject_is_photographed(tmp_path: Path) -> None:
    for number, subject in enumerate([make.SUBJECT, make.SUBJECT, "another"]):
        mail = EmailMessage()
        mail["Subject"], mail["X-Number"] = subject, str(number)
        (tmp_path / f"000{number}-a.eml").write_bytes(mail.as_bytes())
    assert make.mail_about(make.SUBJECT, tmp_path)["X-Number"] == "1"


def call(at: float, name: str, note: str, status: str = "waiting") -> spans.Call:
    attributes = {"mlevents.note": note, "mlevents.status": status}
    return spans.Call(at, ReceivedSpan(name, "t", name, "", (), False, attributes, 0.02))


def test_spans_are_drawn_in_order_at_their_times() -> None:
    calls = [call(0, "receive Model", "<b>"), call(30, "act a", "x" * 100), call(60, "act a", "done", "succeeded")]
    svg = spans.picture(calls)
    bars = [bar.attrib for bar in Xml.fromstring(svg).iter(f"{SVG}rect") if "class" in bar.attrib]
    assert [bar["class"] for bar in bars] == ["receive", "act", "done"]
    left, middle, right = (float(bar["x"]) for bar in bars)
    assert middle - left == pytest.approx(right - middle)
    text = text_of(svg)
    assert "receive Model: <b>" in text
    assert "xx…" in text
    assert "60 s" in text


@pytest.mark.services
def test_spans_of_a_deployment_are_received() -> None:
    """They are those of docs/operating.md."""
    calls = spans.deployment()
    assert [call.at for call in calls] == sorted(call.at for call in calls)
    _, tree = blocks("text", (ROOT / "docs/operating.md").read_text(encoding="utf-8"))
    assert [call.span.name for call in calls] == [
        " ".join(line.lstrip("├└─ ").split()[:2]) for line in tree.splitlines()
    ]
    drawn = text_of((FOLDER / "spans.svg").read_text(encoding="utf-8"))
    assert drawn.count("act deploy-it: ") == len(calls) - 1
