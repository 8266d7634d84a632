"""What the stand-in does on request."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from emulator.control.handle import Handle
from emulator.state.matching import Match
from emulator.state.script import Effect, Failure, Fault, Pace, Place, Scored, Scorer
from emulator.wire import Refusal


class Behaviours(Handle):
    """Takes requests. What a match is: see the package's docstring."""

    def fail(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        match: str = "",
        *,
        status: int = 500,
        code: str = "InternalServerError",
        message: str = "The server could not process the request.",
        times: int | None = 1,
        after: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer so many calls with an error, sparing the first `after`. None: from then on always."""
        answer = Refusal(status, code, message, headers=headers).answer()
        self._add(Fault(Match(match), Effect.ANSWER, answer, after, times))

    def die_before(self, nth: int = 1, match: str = "", *, times: int | None = 1) -> None:
        """Close the connection of the nth call from now, and of the `times` - 1 after it, without applying them.

        A client that tries again meets the next call: ``times=None`` closes all from there on, as if it had died.
        """
        self._add(Fault(Match(match), Effect.DIE_BEFORE, None, nth - 1, times))

    def die_after(self, nth: int = 1, match: str = "", *, times: int | None = 1) -> None:
        """As `die_before`, but apply them first. (For a client that dies then: `die_before` of the next one, too.)"""
        self._add(Fault(Match(match), Effect.DIE_AFTER, None, nth - 1, times))

    def heal(self) -> None:
        """Take back `fail`, `die_before` and `die_after`."""
        with self.world.lock:
            self.world.script.faults.clear()

    def stale_reads(self, times: int, match: str = "") -> None:
        """After an update of a resource, or its end, so many GETs of it, whoever sends them, show it as it was."""
        with self.world.lock:
            self.world.script.stale.append((Match(match), times))

    def late_reads(self, times: int, match: str = "") -> None:
        """After a resource was made, so many GETs of it, whoever sends them, find nothing."""
        with self.world.lock:
            self.world.script.late.append((Match(match), times))

    def provisioning(
        self, *, polls: int = 1, seconds: float | None = None, asked: bool = False, match: str = ""
    ) -> None:
        """How long operations take: so many looks at one or at its resource find it in progress, or so many seconds.

        If `asked`, looks at the resource do not count. The match is for the call that begins the operation:
        ``DELETE *``.
        """
        with self.world.lock:
            self.world.script.paces.append((Match(match), Pace(polls, seconds, asked)))

    def forward(self, **span: float) -> None:
        """Move its clock, by what timedelta takes. Ends what is due."""
        with self.world.changing():
            self.world.clock.forward(timedelta(**span))
            self.world.settle_due()

    def fail_deployment(
        self,
        name: str = "*",
        message: str = "User container has crashed or terminated.",
        *,
        code: str = "ResourceNotReady",
        logs: str = "",
        endpoint: str = "*",
    ) -> None:
        """The provisioning of such deployments ends as Failed; `logs` is what their container has said."""
        failure = Failure(Refusal(400, code, message), logs)
        with self.world.lock:
            self.world.script.failures.append((Place(endpoint, name), failure))

    def fail_endpoint(
        self, name: str = "*", message: str = "The endpoint could not be made.", *, code: str = "BadRequest"
    ) -> None:
        """The making of such online endpoints ends as Failed."""
        with self.world.lock:
            self.world.script.endpoint_failures.append((Place(name), Refusal(400, code, message)))

    def fail_update(
        self, name: str = "*", message: str = "The endpoint could not be changed.", *, code: str = "BadRequest"
    ) -> None:
        """Changes of such online endpoints are accepted, and fail: the endpoints are well, and as they were."""
        with self.world.lock:
            self.world.script.update_failures.append((Place(name), Refusal(400, code, message)))

    def logs(
        self,
        endpoint: str,
        deployment: str,
        text: str,
        *,
        container: str = "InferenceServer",
        workspace: str | None = None,
    ) -> None:
        """What a container of a deployment has said. Raises Refusal if there is no such deployment."""
        with self.world.lock:
            parent = self._endpoint(endpoint, workspace)
            self.world.need(f"{parent.id}/deployments/{deployment}").hidden[container] = text

    def unhealthy(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        endpoint: str,
        deployment: str,
        *,
        status: int = 503,
        message: str = "no healthy upstream",
        state: str | None = None,
        logs: str = "",
        workspace: str | None = None,
    ) -> None:
        """A deployment that is there fails from now on: it scores with an error, and is in that state, if one is given.

        Raises Refusal if there is no such deployment.
        """
        with self.world.lock:
            found = self.world.need(f"{self._endpoint(endpoint, workspace).id}/deployments/{deployment}")
            if state:
                found.properties["provisioningState"] = state
            if logs:
                found.hidden["InferenceServer"] = logs
        self.scoring(endpoint, deployment, status=status, body={"error": {"code": str(status), "message": message}})

    def scoring(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        endpoint: str = "*",
        deployment: str = "*",
        *,
        status: int = 200,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        scorer: Scorer | None = None,
    ) -> None:
        """What such deployments answer: a body, or what `scorer` makes of the request's JSON; else ``[0]``."""
        scored = Scored(status, [0] if body is None else body, dict(headers or {}), scorer)
        with self.world.lock:
            self.world.script.scored.append((Place(endpoint, deployment), scored))

    def quota(self, family: str, limit: int, *, used: int = 0) -> None:
        """How many cores of a family (DSv2, FSv2, ...) there may be in each region, and how many others use.

        Of the family ``total``: how many there may be of all.
        """
        with self.world.lock:
            self.world.quotas[family.lower()] = (limit, used)

    def _add(self, fault: Fault) -> None:
        with self.world.lock:
            self.world.script.faults.append(fault)
