"""`GitHubApi`: GitHub's REST API for one repository.

docs.github.com/rest: "API Versions", "Rate limits for the REST API", "Troubleshooting the REST API".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import ClassVar, TypeAlias

from pydantic import SecretStr

from handlers.base import RetryLater
from handlers.errors import PROPAGATION
from handlers.github.app import TOKENS, App
from handlers.http.answer import Answer
from handlers.launch.api import JsonApi, path_of

VERSION = "2022-11-28"  # supported until March 2028 at least; servers before 3.21 support no other
_SECONDARY = "secondary rate limit"

Login: TypeAlias = SecretStr | App


@dataclass(frozen=True)
class _Api(JsonApi):
    """What requests of an app and of a user have in common."""

    repository: str  # owner/name

    service: ClassVar[str] = "GitHub"

    @property
    def path(self) -> str:
        """The path of the repository."""
        return "/repos" + path_of(*self.repository.split("/"))

    def is_limited(self, answer: Answer) -> bool:
        """GitHub limits requests with 429, or with 403 and a header or a text that says so.

        "Rate limits for the REST API", "Exceeding the rate limit".
        """
        said = "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"
        said = said or _SECONDARY in answer.text.lower()
        return super().is_limited(answer) or (answer.status == HTTPStatus.FORBIDDEN and said)


@dataclass(frozen=True)
class GitHubApi(_Api):
    """One repository. `permission` is that of the app or of the fine-grained token, such as ``actions``."""

    permission: str
    login: Login

    @property
    def advice(self) -> str:
        """GitHub answers 404, too, where it denies access ("Troubleshooting the REST API", 404 Not Found)."""
        owner = "token" if isinstance(self.login, SecretStr) else "app"
        permission = f"the permission {self.permission}: write"
        return f"Check that it exists in {self.repository}, and that the {owner} has {permission}"

    def headers(self) -> Mapping[str, str]:
        """The headers of each request."""
        return _headers(self._token())

    def check(self, answer: Answer) -> Answer:
        """The answer, if it is a success. A token that GitHub refuses is not used again."""
        if answer.status == HTTPStatus.UNAUTHORIZED:
            TOKENS.forget(self._token_key)
        return super().check(answer)

    @property
    def _token_key(self) -> tuple[str, ...]:
        app = self.login.id if isinstance(self.login, App) else ""
        return self.url, app, self.repository, self.permission

    def _token(self) -> str:
        if isinstance(self.login, SecretStr):
            return self.login.get_secret_value()
        if token := TOKENS.get(self._token_key, self.now):
            return token
        app = _AppApi(self.url, self.allow_private, self.now, self.repository, self.login.jwt(self.now))
        token, end = app.token(self.permission)
        TOKENS.put(self._token_key, token, end)
        return token


@dataclass(frozen=True)
class _AppApi(_Api):
    """The API, as the app itself."""

    jwt: str

    advice = "Check the app's id and private_key"

    def headers(self) -> Mapping[str, str]:
        return _headers(self.jwt)

    def token(self, permission: str) -> tuple[str, datetime]:
        """A token for the repository and one permission, and its end ("Create an installation access token")."""
        installation = self.find(f"{self.path}/installation")
        if installation is None:
            raise RetryLater(f"the GitHub App is not installed for {self.repository}", max_elapsed=PROPAGATION)
        narrowed = {"repositories": [self.repository.split("/")[1]], "permissions": {permission: "write"}}
        path = f"/app/installations{path_of(installation['id'])}/access_tokens"
        found = self.send("POST", path, narrowed).json()
        end = datetime.fromisoformat(found["expires_at"])
        return str(found["token"]), end.replace(tzinfo=end.tzinfo or UTC)


def _headers(token: str) -> dict[str, str]:
    return {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token}",
        "X-GitHub-Api-Version": VERSION,
    }
