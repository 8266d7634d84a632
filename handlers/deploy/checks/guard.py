"""`Guard`: what the requests of users to the new deployment must show before it gets more traffic."""

import re
from typing import Annotated, Any, ClassVar, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from handlers.azure.ml.endpoint_metrics import TrafficMetrics

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)\s?%")
_LATENCY = re.compile(r"(\d{1,7}(?:\.\d{1,3})?)(ms|s)")
_MOST_STATUSES = 3  # in a reason


def _percent(value: Any) -> float:
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if not found or float(found[1]) >= 100:
        raise ValueError(f"{value!r} is not a percentage below 100 %; write 1% or 0.5%")
    return float(found[1])


def _milliseconds(value: Any) -> float:
    found = _LATENCY.fullmatch(value) if isinstance(value, str) else None
    if not found or not float(found[1]):
        raise ValueError(f"{value!r} is not a latency; write 500ms or 2s")
    return float(found[1]) * (1_000 if found[2] == "s" else 1)


_Percent: TypeAlias = Annotated[
    float, BeforeValidator(_percent, json_schema_input_type=Annotated[str, Field(pattern=r"^[0-9.]+ ?%$")])
]
_Milliseconds: TypeAlias = Annotated[
    float, BeforeValidator(_milliseconds, json_schema_input_type=Annotated[str, Field(pattern="^[0-9.]+(ms|s)$")])
]


class Guard(BaseModel):
    """The limits of a share, by Azure Monitor's metrics. Without enough requests, a share is held; it never passes."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    errors: _Percent | None = None
    p95: _Milliseconds | None = None
    min_requests: int = Field(20, ge=1, le=1_000_000, strict=True)

    @model_validator(mode="after")
    def _must_have_a_limit(self) -> Self:
        if self.errors is None and self.p95 is None:
            raise ValueError("a guard needs a limit: write errors: 1%, p95: 500ms, or both")
        return self

    def violation(self, found: TrafficMetrics) -> str:
        """Which limit the requests exceed; empty if they exceed none, or are too few to tell."""
        if found.requests < self.min_requests:
            return ""
        if self.errors is not None and found.error_rate > self.errors:
            codes = sorted(found.statuses.items(), key=lambda each: (-each[1], each[0]))[:_MOST_STATUSES]
            shown = ", ".join(f"{count:.0f} × HTTP {status}" for status, count in codes)
            return (
                f"{found.failed:.0f} of {found.requests:.0f} requests failed ({found.error_rate:.2g} %, "
                f"the limit is {self.errors:g} %): {shown}"
            )
        if self.p95 is not None and found.p95 is not None and found.p95 > self.p95:
            return f"the p95 of {found.requests:.0f} requests is {found.p95:.0f} ms, the limit is {self.p95:g} ms"
        return ""

    def lacking(self, found: TrafficMetrics) -> str:
        """What is not known yet, so that the share is held; empty if the requests suffice."""
        if found.requests < self.min_requests:
            return f"{found.requests:.0f} of {self.min_requests} requests"
        if self.p95 is not None and found.p95 is None:
            return f"no latency of {found.requests:.0f} requests"
        return ""
