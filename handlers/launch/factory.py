"""A run of a Data Factory pipeline."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from handlers.base import Action, GiveUp, RetryLater
from handlers.datafactory import DataFactory
from handlers.launch.target import Found, Nameless
from handlers.run import Run
from handlers.template import Template
from schemas import Event

KEY = "mlevents_key"  # the parameter by which a run is found again

_REPLICAS = timedelta(minutes=30)


@dataclass(frozen=True)
class FactoryTarget(Nameless):
    """A run of a pipeline. It is found again if the pipeline declares the parameter `KEY`, which is then passed."""

    factory: DataFactory
    pipeline: str
    event: Event
    action: Action
    parameters: Mapping[str, bool | int | float | Template] = field(default_factory=dict)

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

    def prepare(self) -> None:
        """The pipeline is there, and the parameters can be given."""
        self._given()

    def start(self) -> str:
        """Start it."""
        return self.factory.start(self.pipeline, self._given())

    def told(self) -> dict[str, str]:
        """What is to be said of what is started."""
        return {"pipeline": self.pipeline}

    def ours(self, since: datetime, now: datetime) -> Found:
        """By its key; else, any run of the pipeline may be ours."""
        runs = [run for run in self.factory.runs(self.pipeline, since, now) if run.since(since)]
        if KEY not in self._declared():
            return Found(perhaps=tuple(runs))
        return Found(run=next((run for run in runs if run.parameters.get(KEY) == self.action.job_name), None))

    def _declared(self) -> dict[str, str]:
        declared = self.factory.parameters(self.pipeline)
        if declared is None:
            raise RetryLater(f"there is no pipeline {self.pipeline} in {self.factory.name}", patience=_REPLICAS)
        return declared

    def _given(self) -> dict[str, Any]:
        """The parameters, as the pipeline declares them."""
        declared = self._declared()
        if unknown := [name for name in self.parameters if name not in declared]:
            known = ", ".join(declared) or "none"
            raise GiveUp(f"the pipeline {self.pipeline} has no parameter {unknown[0]!r}; it has {known}")
        given = {name: self._value(name, value, declared[name]) for name, value in self.parameters.items()}
        return given | ({KEY: self.action.job_name} if KEY in declared else {})

    def _value(self, name: str, value: bool | int | float | Template, kind: str) -> Any:
        if not isinstance(value, Template):
            return value
        text = value.render(self.event)
        if kind.casefold() in ("string", "securestring"):
            return text
        try:
            return _typed(text, kind.casefold())
        except ValueError as error:
            raise GiveUp(f"the parameter {name!r} should be of type {kind}, not {text[:100]!r}") from error


def _typed(text: str, kind: str) -> Any:
    """A text as JSON of a kind. Raises ValueError."""
    kinds: dict[str, tuple[type, ...]] = {
        "int": (int,),
        "float": (int, float),
        "bool": (bool,),
        "array": (list,),
        "object": (dict,),
    }
    value = json.loads(text.strip().lower() if kind == "bool" else text)
    if not isinstance(value, kinds.get(kind, (object,))) or (isinstance(value, bool) and kind in ("int", "float")):
        raise ValueError
    return value
