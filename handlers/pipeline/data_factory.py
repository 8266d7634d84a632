"""A run of a Data Factory pipeline."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from handlers.azure.data_factory import DataFactory
from handlers.azure.run import Run
from handlers.base import Action, GiveUp
from handlers.pipeline.parameters import Parameter, fitted, rendered
from handlers.pipeline.target import Found, Known, Nameless
from schemas import Event

KEY = "mlevents_key"  # the parameter by which a run is found again
_READ = 200  # runs, of all that there are


@dataclass(frozen=True)
class FactoryTarget(Nameless):
    """A run of a pipeline. It is found again if the pipeline declares the parameter `KEY`, which is then passed.

    What it declares is asked for once. To start it, that need not be known: to an identity that may not read pipelines
    it declares nothing, parameters are given as the rule has them, and whether there is such a pipeline is for the
    factory to say.
    """

    factory: DataFactory
    pipeline: str
    event: Event
    action: Action
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    what = "the run"

    @property
    def where(self) -> str:
        """The factory's name."""
        return self.factory.name

    def look(self, id: str) -> Run | None:
        """A run as it is now."""
        return self.factory.run(id)

    def why(self, run: Run) -> str:
        """The factory says so with the run."""
        return run.error

    def cancel(self, id: str) -> None:
        """Ask for it to be canceled."""
        self.factory.cancel(id)

    def link(self, id: str) -> str:
        """Its page in Data Factory's studio."""
        return self.factory.link(id)

    def prepare(self) -> Known:
        """The parameters can be given; those that the pipeline declares, if it may be asked."""
        declared = self.factory.parameters(self.pipeline)
        self._given(declared)
        return declared

    def start(self, known: Known) -> str:
        """Start it."""
        return self.factory.start(self.pipeline, self._given(known))

    def told(self) -> dict[str, str]:
        """What is to be said of what is started."""
        return {"pipeline": self.pipeline}

    def ours(self, since: datetime, now: datetime, known: Known) -> Found:
        """By its key; else, any run of the pipeline may be ours."""
        runs = [run for run in self.factory.runs(self.pipeline, since, now) if run.since(since)]
        if KEY not in (known or {}):
            return Found(perhaps=tuple(runs))
        return Found(run=next((run for run in runs if run.parameters.get(KEY) == self.action.job_name), None))

    def others(self, since: datetime, now: datetime, known: Known) -> Iterable[Run]:
        """Those of the pipeline, of as many as are read at once or twice."""
        if KEY in (known or {}):
            return ()
        return (run for run in islice(self.factory.runs(self.pipeline, since, now), _READ) if run.since(since))

    def _given(self, declared: Known) -> dict[str, Any]:
        """The parameters, as the pipeline declares them, if that is known."""
        values = {name: rendered(value, self.event) for name, value in self.parameters.items()}
        if declared is None:
            return values
        if unknown := [name for name in values if name not in declared]:
            known = ", ".join(declared) or "none"
            raise GiveUp(f"the pipeline {self.pipeline} has no parameter {unknown[0]!r}; it has {known}")
        given = {name: fitted(name, value, declared[name]) for name, value in values.items()}
        return given | ({KEY: self.action.job_name} if KEY in declared else {})
