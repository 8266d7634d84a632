"""Fault injection: errors, closed connections, stale and late reads, failed provisioning."""

from collections.abc import Mapping

from emulator.control.lookup import Lookup
from emulator.control.scoring import Scoring
from emulator.http.response import ErrorResponse
from emulator.state.fault_plan import DeploymentMatch, Effect, Failure, Fault
from emulator.state.matching import Match
from emulator.state.state import State


class Faults:
    """Plans faults. For `match`, see the docstring of `emulator`; names are globs that ignore case."""

    def __init__(self, state: State, lookup: Lookup, scoring: Scoring) -> None:
        self._state, self._lookup, self._scoring, self._plan = state, lookup, scoring, state.plan

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
        """Response `times` matching calls (None: all) with an error, and the first `after` normally."""
        response = ErrorResponse(status, code, message, headers=headers).response()
        self._add(Fault(Match(match), Effect.ANSWER, response, after, times))

    def close_before(self, nth: int = 1, match: str = "", *, times: int | None = 1) -> None:
        """Close the connection of the nth matching call, and of the `times` - 1 after it, without applying them.

        A client's own retry is the next call: ``times=None`` closes every call from the nth on, like a client's death.
        """
        self._add(Fault(Match(match), Effect.CLOSE_BEFORE, None, nth - 1, times))

    def close_after(self, nth: int = 1, match: str = "", *, times: int | None = 1) -> None:
        """Apply the nth matching call, and the `times` - 1 after it, and close their connections without an answer."""
        self._add(Fault(Match(match), Effect.CLOSE_AFTER, None, nth - 1, times))

    def clear(self) -> None:
        """Drop every fault of `fail`, `close_before` and `close_after`."""
        with self._state.lock:
            self._plan.faults.clear()

    def stale_reads(self, times: int, match: str = "") -> None:
        """Show a resource as it was to `times` reads after each update or deletion; all clients share the count."""
        with self._state.lock:
            self._plan.stale.append((Match(match), times))

    def late_reads(self, times: int, match: str = "") -> None:
        """Response 404 to `times` reads of a resource after its creation; all clients share the count."""
        with self._state.lock:
            self._plan.late.append((Match(match), times))

    def fail_deployment(
        self,
        name: str = "*",
        message: str = "User container has crashed or terminated.",
        *,
        code: str = "ResourceNotReady",
        logs: str = "",
        endpoint: str = "*",
    ) -> None:
        """Make the provisioning of such deployments fail; `logs` is the log of their container."""
        failure = Failure(ErrorResponse(400, code, message), logs)
        with self._state.lock:
            self._plan.failures.append((DeploymentMatch(endpoint, name), failure))

    def fail_endpoint(
        self, name: str = "*", message: str = "The endpoint could not be created.", *, code: str = "BadRequest"
    ) -> None:
        """Make the creation of such online endpoints fail."""
        with self._state.lock:
            self._plan.endpoint_failures.append((DeploymentMatch(name), ErrorResponse(400, code, message)))

    def fail_update(
        self, name: str = "*", message: str = "The endpoint could not be changed.", *, code: str = "BadRequest"
    ) -> None:
        """Accept updates of such online endpoints and then fail: the endpoint stays Succeeded and unchanged."""
        with self._state.lock:
            self._plan.update_failures.append((DeploymentMatch(name), ErrorResponse(400, code, message)))

    def break_deployment(  # noqa: PLR0913 - most are keywords that most calls leave out
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
        """Make an existing deployment answer scoring requests with an error, and set its `state` if one is given.

        Raises an error response (404) if there is no such deployment.
        """
        with self._state.lock:
            found = self._lookup.deployment(endpoint, deployment, workspace)
            if state:
                found.properties["provisioningState"] = state
            if logs:
                found.hidden["InferenceServer"] = logs
        error = {"error": {"code": str(status), "message": message}}
        self._scoring.set_response(endpoint, deployment, status=status, body=error)

    def _add(self, fault: Fault) -> None:
        with self._state.lock:
            self._plan.faults.append(fault)
