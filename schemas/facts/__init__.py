"""What the service knows about the objects of events, for `run`, `model` and `endpoint` in conditions and templates."""

from schemas.facts.models import (
    FACTS,
    Compute,
    DeploymentFacts,
    EndpointFacts,
    Facts,
    ModelFacts,
    ParentRun,
    RunError,
    RunFacts,
    Serving,
    Step,
)

__all__ = [
    "FACTS",
    "Compute",
    "DeploymentFacts",
    "EndpointFacts",
    "Facts",
    "ModelFacts",
    "ParentRun",
    "RunError",
    "RunFacts",
    "Serving",
    "Step",
]
