"""`App`: the key of a GitHub App, and the tokens that it gets for a repository."""

import re
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from handlers.base import GiveUp

MARGIN = timedelta(minutes=5)  # before its end, a token is renewed; GitHub issues them for an hour
# docs.github.com, "Generating a JSON Web Token (JWT) for a GitHub App": at most 10 minutes, from 60 seconds ago
_BACK, _LIFETIME = timedelta(seconds=60), timedelta(minutes=9)
_PEM = re.compile(r"-----BEGIN (?:RSA )?PRIVATE KEY-----.+-----END (?:RSA )?PRIVATE KEY-----\s*", re.DOTALL)


class App(BaseModel):
    """A GitHub App that is installed for the repository."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # The client id, which GitHub recommends, or the number of the app.
    id: Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)] = Field(
        pattern=r"^[A-Za-z0-9.]{1,64}$"
    )
    private_key: SecretStr

    @field_validator("private_key")
    @classmethod
    def _key_must_be_pem(cls, value: SecretStr) -> SecretStr:
        if not _PEM.fullmatch(_lines(value)):
            raise PydanticCustomError(  # unlike that of a ValueError, its text is shown for a secret, too
                "private_key",
                "should be the app's private key in PEM, with its lines: -----BEGIN RSA PRIVATE KEY-----, …; "
                r"\n stands for a line end",
            )
        return value

    def jwt(self, now: datetime) -> str:
        """A token with which the app authenticates as itself. Raises GiveUp if the key cannot be read."""
        import jwt

        claims = {"iss": self.id, "iat": int((now - _BACK).timestamp()), "exp": int((now + _LIFETIME).timestamp())}
        try:
            return jwt.encode(claims, _lines(self.private_key), algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            raise GiveUp(
                f"the private key of the GitHub App {self.id} cannot be read: {type(error).__name__}"
            ) from None


def _lines(key: SecretStr) -> str:
    """The key with line ends, which some editors of app settings replace by a backslash and an n."""
    return key.get_secret_value().strip().replace("\\n", "\n")


class Tokens:
    """The tokens of installations, each until shortly before its end. Threads share it; two may request one."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, ...], tuple[str, datetime]] = {}

    def get(self, key: tuple[str, ...], now: datetime) -> str | None:
        """A token that is valid for at least MARGIN."""
        token, end = self._found.get(key, ("", now))
        return token if end - now > MARGIN else None

    def put(self, key: tuple[str, ...], token: str, end: datetime) -> None:
        """Keep a token."""
        self._found[key] = token, end

    def clear(self) -> None:
        """Forget all."""
        self._found.clear()

    def forget(self, key: tuple[str, ...]) -> None:
        """Forget a token that GitHub refuses."""
        self._found.pop(key, None)


TOKENS = Tokens()
