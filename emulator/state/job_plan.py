"""Planned durations and ends of jobs, and the models that they register. Jobs are selected by globs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from emulator.http.response import ErrorResponse


def matches(glob: str, names: Iterable[str]) -> bool:
    """Whether one of the names matches the glob, which ignores case."""
    return any(fnmatchcase(name.lower(), glob.lower()) for name in names)


@dataclass(frozen=True, slots=True)
class JobDuration:
    """How long jobs run: a number of seconds, or of polls; with neither, until they are ended."""

    seconds: float | None = 1.0
    polls: int | None = None


@dataclass
class Ending:
    """A planned end of jobs other than success."""

    glob: str
    status: str  # Failed or Canceled
    error: ErrorResponse | None = None
    step: str = ""  # the step that fails; empty: the first
    tags: Mapping[str, str] = field(default_factory=dict)  # tags of that step
    log: str = ""  # the log of that step, or of a job without steps
    times: int | None = None  # of how many more jobs; None: all


@dataclass(frozen=True, slots=True)
class Training:
    """A model that jobs register when they complete; without a `version`, its next one."""

    glob: str
    model: str
    version: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    type: str = "mlflow_model"


@dataclass
class JobPlan:
    """Everything planned for jobs. Of several durations and endings that match, the latest applies."""

    durations: list[tuple[str, JobDuration]] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    trainings: list[Training] = field(default_factory=list)
    metrics: list[tuple[str, Mapping[str, float]]] = field(default_factory=list)
    unlisted: int = 0  # how many queries do not show a new run of Data Factory yet

    def duration(self, names: Iterable[str]) -> JobDuration:
        """How long a job with these names runs."""
        names = tuple(names)
        return next((duration for glob, duration in reversed(self.durations) if matches(glob, names)), JobDuration())

    def ending(self, names: Iterable[str]) -> Ending | None:
        """How a job with these names ends; None: it completes. Counts the job."""
        names = tuple(names)
        for ending in reversed(self.endings):
            if ending.times != 0 and matches(ending.glob, names):
                ending.times = None if ending.times is None else ending.times - 1
                return ending
        return None

    def trainings_of(self, names: Iterable[str]) -> list[Training]:
        """The models that a job with these names registers."""
        names = tuple(names)
        return [training for training in self.trainings if matches(training.glob, names)]

    def metrics_of(self, names: Iterable[str]) -> dict[str, float]:
        """The metrics that a job with these names logs."""
        names = tuple(names)
        found = [metrics for glob, metrics in self.metrics if matches(glob, names)]
        return {name: value for metrics in found for name, value in metrics.items()}
