"""A run of a pipeline of Data Factory or Synapse."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from handlers.azure.data_factory import DataFactory
from handlers.base import Action, GiveUp
from handlers.launch.parameters import Parameter, convert_parameter, render_parameters
from handlers.launch.run import Run
from handlers.launch.target import Prepared, SearchableTarget, SearchResult
from schemas import Event

KEY = "mlevents_key"  # the parameter that gets the action's job name, if the pipeline declares it
_MAX_PREEXISTING = 200  # runs that are read


@dataclass(frozen=True)
class FactoryTarget(SearchableTarget):
    """A run of a pipeline. A search finds it if the pipeline declares the parameter `KEY`.

    The declared parameters are read once, before the first attempt. An identity may be permitted to start runs and not
    to read pipelines. Then no parameter counts as declared: they are passed as the rule has them, without `KEY`, and
    the request itself shows whether the pipeline exists.
    """

    factory: DataFactory
    pipeline: str
    event: Event
    action: Action
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    noun = "the run"

    @property
    def location(self) -> str:
        """The name of the factory or the Synapse workspace."""
        return self.factory.name

    def read(self, id: str) -> Run | None:
        """Read a run; None if it is not found."""
        return self.factory.run(id)

    def failure_reason(self, run: Run) -> str:
        """The error in the run."""
        return run.error

    def cancel(self, id: str) -> None:
        """Request the cancellation of a run."""
        self.factory.cancel(id)

    def link(self, id: str) -> str:
        """The URL of the run's page in the service's studio."""
        return self.factory.link(id)

    def prepare(self) -> Prepared:
        """Read the types of the declared parameters, if that is permitted, and check the rule's parameters."""
        declared = self.factory.parameters(self.pipeline)
        self._parameters(declared)
        return declared

    def start(self, prepared: Prepared) -> str | None:
        """Start a run and return its id, if the service names it."""
        return self.factory.start(self.pipeline, self._parameters(prepared))

    def details(self) -> dict[str, str]:
        """The name of the pipeline."""
        return {"pipeline": self.pipeline}

    def find(self, since: datetime, now: datetime, prepared: Prepared) -> SearchResult:
        """Find the run by its `KEY`; without one, every run of the pipeline is a candidate."""
        runs = [run for run in self.factory.runs(self.pipeline, since, now) if run.since(since)]
        if KEY not in (prepared or {}):
            return SearchResult(candidates=tuple(runs))
        return SearchResult(next((run for run in runs if run.parameters.get(KEY) == self.action.job_name), None))

    def preexisting(self, since: datetime, now: datetime, prepared: Prepared) -> Iterable[Run]:
        """The recent runs of the pipeline; none if `find` recognizes the run by its `KEY`."""
        if KEY in (prepared or {}):
            return ()
        runs = islice(self.factory.runs(self.pipeline, since, now), _MAX_PREEXISTING)
        return (run for run in runs if run.since(since))

    def _parameters(self, declared: Prepared) -> dict[str, Any]:
        """The parameters for a request, converted to the declared types if these are known."""
        values = render_parameters(self.parameters, self.event)
        if declared is None:
            return values
        if unknown := [name for name in values if name not in declared]:
            names = ", ".join(declared) or "none"
            raise GiveUp(f"the pipeline {self.pipeline} has no parameter {unknown[0]!r}; it has {names}")
        converted = {name: convert_parameter(name, value, declared[name]) for name, value in values.items()}
        return converted | ({KEY: self.action.job_name} if KEY in declared else {})
