"""What deployments answer to scoring requests."""

from collections.abc import Mapping
from typing import Any

from emulator.control.calls import Calls
from emulator.http.call import Call
from emulator.state.fault_plan import DeploymentMatch, Scorer, ScoringResponse
from emulator.state.state import State


class Scoring:
    """Sets the answers of deployments, and lists the scoring requests."""

    def __init__(self, state: State, calls: Calls) -> None:
        self._state, self._calls = state, calls

    @property
    def calls(self) -> list[Call]:
        """Every scoring request so far."""
        return self._calls.matching("POST /inference/*/score")

    def set_response(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        endpoint: str = "*",
        deployment: str = "*",
        *,
        status: int = 200,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        scorer: Scorer | None = None,
    ) -> None:
        """Set the answer of such deployments: a body, or the result of `scorer` for the request's JSON.

        By default deployments answer ``[0]``.
        """
        scored = ScoringResponse(status, [0] if body is None else body, dict(headers or {}), scorer)
        with self._state.lock:
            self._state.plan.scoring.append((DeploymentMatch(endpoint, deployment), scored))
