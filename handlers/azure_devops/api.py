"""`AzureDevOpsApi`: the REST API of one project.

learn.microsoft.com/rest/api/azure/devops, 7.1; "Rate and usage limits"; "Use service principals and managed identities
in Azure DevOps".
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from pydantic import SecretStr

from handlers.base import RetryLater
from handlers.errors import PROPAGATION
from handlers.http.answer import Answer
from handlers.http.auth import entra_bearer
from handlers.launch.api import JsonApi, path_of

SCOPE = "499b84ac-1321-427f-aa17-267ca6975798/.default"  # of Azure DevOps, in every tenant


@dataclass(frozen=True)
class AzureDevOpsApi(JsonApi):
    """One project of an organization, whose URL is the API's."""

    project: str
    pat: SecretStr | None
    permission: str  # what the identity may need, in words

    service: ClassVar[str] = "Azure DevOps"
    parameters: ClassVar[Mapping[str, str]] = {"api-version": "7.1"}

    @property
    def path(self) -> str:
        """The path of the project's resources."""
        return f"{path_of(self.project)}/_apis"

    @property
    def advice(self) -> str:
        """A new identity has to be added to the organization, and then to a group of the project."""
        who = (
            "the token is valid and has the scope"
            if self.pat
            else "the app's identity is a user of the organization with"
        )
        return f"Check that it exists in {self.project}, and that {who} {self.permission}"

    def headers(self) -> Mapping[str, str]:
        """The headers of each request: without redirects to a page where a person would sign in."""
        common = {"Accept": "application/json", "X-TFS-FedAuthRedirect": "Suppress"}
        if self.pat is None:
            return {**common, **entra_bearer(SCOPE)}
        return {**common, "Authorization": f"Basic {b64encode(f':{self.pat.get_secret_value()}'.encode()).decode()}"}

    def check(self, answer: Answer) -> Answer:
        """The answer, if it is a success. A page to sign in is none: 203, a redirect, or HTML in place of JSON."""
        if answer.status in (HTTPStatus.NON_AUTHORITATIVE_INFORMATION, HTTPStatus.FOUND) or answer.is_page:
            raise RetryLater(
                f"HTTP {answer.status}: Azure DevOps did not accept the login, and answered with its page to sign in. "
                f"{self.advice}",
                max_elapsed=PROPAGATION,
            )
        return super().check(answer)
