"""Make the pictures of the docs from a real run of the demo, and of a deployment: ``make pictures``.

It needs a Chromium on this machine. The pictures are the output of `make demo KEEP=1` (demo.svg), the overview and the
event of the failed run (overview.png, event.png), the mail about it (mail.png), and the spans of a deployment
(spans.svg).
"""

import sys
from collections.abc import Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING

from docs.pictures import spans
from docs.pictures.terminal import Line, Recording, picture
from mlevents.commands.demo.silence import RUN
from mlevents.local.options import FOLDER
from tests.kit.chromium import chromium, watched
from tests.kit.started import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HERE = Path(__file__).parent
COMMAND = "make demo KEEP=1"
PAGE = "/api/web"
SUBJECT = "churn-training failed in churn-prod"  # of the mail about the run that fails in the demo
WIDTH, SCALE = 1080, 1.25  # of a window: CSS pixels, and pixels for each


def make() -> None:
    """Write all pictures."""
    (HERE / "spans.svg").write_text(spans.picture(deployment()), encoding="utf-8")
    recording = Recording([sys.executable, "-m", "mlevents", "demo", "--keep"], ROOT)
    try:
        address = address_in(recording.until(PAGE))
        recording.until("Ctrl-C")
        (HERE / "demo.svg").write_text(played(recording.lines), encoding="utf-8")
        with chromium() as browser:
            photograph(browser, address, HERE)
            photograph_mail(browser, mail_about(SUBJECT, ROOT / FOLDER / "demo/mails"), HERE / "mail.png")
    finally:
        recording.close()


def deployment() -> list[spans.Call]:
    """The spans of a deployment by a worker that has imported azure-ai-ml, which takes seconds."""
    spans.deployment()
    return spans.deployment()


def played(lines: Sequence[Line]) -> str:
    """The picture of the demo's output, after the command that a user types."""
    return picture(COMMAND, [Line(lines[0].at, f"$ {COMMAND}"), *lines])


def address_in(line: str) -> str:
    """The address of the page, from a line that names it."""
    return next(word for word in line.split() if PAGE in word).partition(PAGE)[0] + PAGE


def photograph(browser: "Browser", address: str, folder: Path) -> None:
    """Take pictures of the overview, and of the event of the failed run."""
    with watched(browser, address, WIDTH, device_scale_factor=SCALE) as tabs:
        tabs.open("").screenshot(path=folder / "overview.png")
        page = tabs.open(f"find?name={RUN}")
        page.locator("a.object").first.click()
        page.screenshot(path=folder / "event.png")


def mail_about(subject: str, folder: Path) -> EmailMessage:
    """The newest mail with this subject."""
    mails = (
        message_from_bytes(file.read_bytes(), policy=policy.default) for file in sorted(folder.glob("*.eml"))[::-1]
    )
    return next(mail for mail in mails if mail["Subject"] == subject)


def photograph_mail(browser: "Browser", mail: EmailMessage, file: Path) -> None:
    """Take a picture of the HTML part of a mail, as a mail program shows it."""
    part = mail.get_body(("html",))
    assert part is not None  # noqa: S101 - the app's mails have one
    context = browser.new_context(viewport={"width": 720, "height": 400}, device_scale_factor=SCALE, offline=True)
    page = context.new_page()
    page.set_content(part.get_content())
    page.screenshot(path=file, full_page=True)
    context.close()


if __name__ == "__main__":
    make()
