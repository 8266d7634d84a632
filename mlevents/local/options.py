"""How to run an app on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

FOLDER = ".mlevents"  # in the app's folder: mails, storage, and the addresses of the app and the emulator
APP_NOTE = "app.json"  # a file in it: the URL of the app, while `mlevents start` runs it
INVISIBLE = timedelta(minutes=10)  # of a queue message that was read: QueueListener.cs of Azure/azure-sdk-for-net


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run an app."""

    app_dir: Path
    port: int | None = 0  # 0: any free one; None: local.settings.json's, else 7071
    settings: Mapping[str, str] = field(default_factory=dict)  # they win over the environment and the file
    settings_file: Path | None = None  # default: the app's local.settings.json, or its example
    folder: Path | None = None  # for mails and, if `keep`, the storage of Azurite; default: FOLDER in the app's folder
    keep: bool = False  # keep the storage of Azurite
    azurite: bool = True  # start Azurite if the settings are UseDevelopmentStorage=true
    mailbox: bool = True  # start a mailbox if the settings send mail to localhost:1025
    azure: bool = False  # emulate Azure ML, unless the setting MLEVENTS_ARM_ENDPOINT names another
    remember: int | None = None  # how many of the latest mails `LocalApp.mails` has; None: all
    grace: float = 5.0  # seconds that calls have to end when the app is stopped
    invisible: timedelta = INVISIBLE  # of a queue message that was read; renewed while its call runs

    @property
    def state_folder(self) -> Path:
        """The folder for mails and storage."""
        return self.folder or self.app_dir / FOLDER
