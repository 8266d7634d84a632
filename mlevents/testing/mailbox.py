"""`mailbox`: a mail server that keeps what the app sends."""

import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from emulator.background import Background
from mlevents.local.mailbox import Mail, Mailbox


@contextmanager
def mailbox(sender: str = "azureml-events@example.com") -> Iterator[deque[Mail]]:
    """The mails that arrive within the ``with`` block, oldest first; it sets the app's settings ``EMAIL_…``.

    The settings are those of the environment, with `sender` as ``EMAIL_FROM``, and are restored afterwards.
    """
    with TemporaryDirectory() as folder, Background() as background, patch.dict(os.environ):
        box = Mailbox(Path(folder))
        background.run(box.start())
        for name in [name for name in os.environ if name.upper().startswith("EMAIL_")]:
            del os.environ[name]
        os.environ.update({"EMAIL_FROM": sender, **box.settings()})
        try:
            yield box.mails
        finally:
            background.run(box.stop())
