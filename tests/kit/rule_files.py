"""Rules files for tests, and handlers with unusual event types, settings and validators."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_serializer, field_validator

from dispatch.rules import load
from dispatch.rules.rule import Rules
from handlers.base import Action, Handler, Outcome, Succeeded
from schemas import Event, ModelRegistered, RunStatusChanged
from tests.kit.world import SETTINGS, WORKSPACES, entry

HERE = __name__


def loaded(folder: Path, settings: Mapping[str, str] = MappingProxyType({}), /, **files: str | bytes) -> Rules:
    """Load these files: ``churn="…"`` is rules/churn.yaml. A valid workspaces.yaml is added."""
    folder = folder / "rules"
    folder.mkdir(exist_ok=True)
    for name, text in {"workspaces": WORKSPACES, **files}.items():
        path = folder / (name if "." in name else f"{name}.yaml")
        path.write_bytes(text if isinstance(text, bytes) else text.replace("HERE", HERE).encode())
    return load(folder, SETTINGS | dict(settings))


def rule(**keys: str) -> str:
    """One rule of a rules file, with one line for each key, in this order."""
    keys = {"name": "a", **({} if "after" in keys else {"on": "RunStatusChanged"}), "do": "log", **keys}
    return entry(keys)


class _Succeeding(Handler[Event]):
    def run(self, event: Event, action: Action) -> Outcome:
        return Succeeded("done")


class Anything(_Succeeding):
    """Takes every event and no settings."""


class Deploy(Handler[ModelRegistered]):
    """Takes one type of event."""

    def run(self, event: ModelRegistered, action: Action) -> Outcome:
        return Succeeded("deployed")


class Watch(Handler[ModelRegistered | RunStatusChanged]):
    """Takes two types of event."""

    def run(self, event: ModelRegistered | RunStatusChanged, action: Action) -> Outcome:
        return Succeeded("seen")


class Login(BaseModel):
    """Settings within settings."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    user: str
    token: SecretStr


class Call(_Succeeding):
    """Has secrets, and validators whose messages contain their input."""

    url: str = "https://example.com"
    method: Literal["get", "post"] = "get"
    times: int = 1
    to: tuple[str, ...] | str = ()
    password: SecretStr = SecretStr("")
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    login: Login | None = None

    @field_validator("password", "url", "headers", mode="before")
    @classmethod
    def _repeats_its_input(cls, value: Any) -> Any:
        if "bad" in str(value):
            raise ValueError(f"{value!r} will not do")
        return value

    @field_validator("times")
    @classmethod
    def _raises_a_key_error(cls, value: int) -> int:
        if value == 13:
            raise KeyError("a secret of the validator's")
        return value


class Mute(_Succeeding):
    """Has an `accepts` that raises."""

    @classmethod
    def accepts(cls) -> tuple[type[Event], ...]:
        raise KeyError("not known")


class Sealed(_Succeeding):
    """Has settings that cannot be serialized."""

    @field_serializer("when_used", check_fields=False)
    def _never(self, value: Any) -> Any:
        raise KeyError(value)

    when_used: str = "now"


class Deaf(Handler[Any]):
    """Does not name event classes in its base class."""

    def run(self, event: Any, action: Action) -> Outcome:
        return Succeeded("?")
