"""The tool `mlevents`: commands for working on the app. It is not deployed."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
