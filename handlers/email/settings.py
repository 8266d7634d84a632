"""The app settings ``EMAIL_*``: the sender and the transport. They are read for each mail, and never cached."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from handlers.base import RetryLater
from handlers.email.address import Mailbox, parse_mailbox

_EXPECTED = {  # pydantic's types of errors -> what to write
    **dict.fromkeys(("int_parsing", "greater_than_equal", "less_than_equal"), "a port from 1 to 65535"),
    "literal_error": "starttls, tls or none",
}
PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """An SMTP server, its encryption, and the login, if it requires one."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    username: str = ""
    password: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class AcsService:
    """An Azure Communication Services resource. Without a key, the app authenticates as its managed identity."""

    endpoint: str
    key: SecretStr | None = None


class EmailSettings(BaseSettings):
    """The settings ``EMAIL_*``. An empty setting counts as not set. They configure either SMTP or ACS, not both."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="EMAIL_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=False,
    )

    sender: str = Field(validation_alias="EMAIL_FROM")  # an address, or: Display name <address>
    smtp_host: str = ""
    smtp_port: int | None = Field(None, ge=1, le=65_535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str = ""
    smtp_password: SecretStr | None = None
    acs_endpoint: str = ""
    acs_key: SecretStr | None = None

    @classmethod
    def read(cls, values: Mapping[str, str] | None = None) -> Self:
        """Read the settings among `values`, or else those of the environment.

        Raises RetryLater that names each invalid one: mail waits until they are fixed.
        """
        try:
            return cls() if values is None else cls.model_validate(cls._fields(values))
        except ValidationError as error:
            raise RetryLater(f"mail cannot be sent: {'; '.join(_describe(e) for e in error.errors())}") from error

    @classmethod
    def _fields(cls, values: Mapping[str, str]) -> dict[str, str]:
        """The values of the fields, by the names that pydantic knows; empty ones are left out."""
        given = {name.upper(): value for name, value in values.items() if value}
        names = {f"EMAIL_{name.upper()}": name for name in cls.model_fields} | {"EMAIL_FROM": "EMAIL_FROM"}
        return {field: given[name] for name, field in names.items() if name in given}

    @property
    def mailbox(self) -> Mailbox:
        """The sender."""
        return parse_mailbox(self.sender)

    @property
    def transport(self) -> SmtpServer | AcsService:
        """The server or service that mails are submitted to."""
        if self.acs_endpoint:
            return AcsService(self.acs_endpoint, self.acs_key)
        port = self.smtp_port or PORTS[self.smtp_security]
        return SmtpServer(self.smtp_host, port, self.smtp_security, self.smtp_username, self.smtp_password)

    @field_validator("*", mode="before")
    @classmethod
    def _is_resolved(cls, value: Any) -> Any:
        if isinstance(value, str) and value.startswith("@Microsoft.KeyVault("):
            raise ValueError(
                "is a Key Vault reference that Azure could not resolve: check that the secret exists and that the "
                "app's identity has the role Key Vault Secrets User"
            )
        return value

    @field_validator("sender")
    @classmethod
    def _is_a_mailbox(cls, value: str) -> str:
        parse_mailbox(value)
        return value

    @field_validator("acs_endpoint")
    @classmethod
    def _https_url(cls, value: str) -> str:
        url = urlsplit(value if "//" in value else f"https://{value}")
        host = url.hostname or ""
        is_safe = url.scheme == "https" or (url.scheme == "http" and _is_loopback(host))
        if not is_safe or not re.fullmatch(r"[\w.:-]+", host):
            raise ValueError("should be the resource's URL, like https://my-resource.communication.azure.com")
        return f"{url.scheme}://{url.netloc}"

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if bool(self.smtp_host) == bool(self.acs_endpoint):
            problem = "both EMAIL_SMTP_HOST and EMAIL_ACS_ENDPOINT are" if self.smtp_host else "no server is"
            raise ValueError(f"{problem} set; set either EMAIL_SMTP_HOST (SMTP) or EMAIL_ACS_ENDPOINT (Azure)")
        if bool(self.smtp_username) != bool(self.smtp_password):
            raise ValueError("EMAIL_SMTP_USERNAME and EMAIL_SMTP_PASSWORD belong together; set both or neither")
        secret = self.smtp_password.get_secret_value() if self.smtp_password else ""
        if not (self.smtp_username + secret).isascii():
            raise ValueError("EMAIL_SMTP_USERNAME and EMAIL_SMTP_PASSWORD must be ASCII")
        if self.smtp_username and self.smtp_security == "none" and not _is_loopback(self.smtp_host):
            raise ValueError("EMAIL_SMTP_SECURITY is none: the password would be sent unencrypted; use starttls")
        return self


def _is_loopback(host: str) -> bool:
    try:
        return host.casefold() == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _describe(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ")
    if expected := _EXPECTED.get(error["type"]):
        message = f"should be {expected}"
    if not error["loc"]:
        return message
    name = str(error["loc"][0]).upper().removeprefix("EMAIL_")
    return f"EMAIL_{name} is not set" if error["type"] == "missing" else f"EMAIL_{name}: {message}"
