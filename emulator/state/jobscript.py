"""What jobs do on request: how long they take, how they end, what they register. They are told apart by globs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from emulator.wire import Refusal


def fits(glob: str, names: Iterable[str]) -> bool:
    """Is one of the names as the glob says? Without regard to case."""
    return any(fnmatchcase(name.lower(), glob.lower()) for name in names)


@dataclass(frozen=True, slots=True)
class JobPace:
    """How long jobs take: so many seconds, or so many looks at one; neither: until they are told to end."""

    seconds: float | None = 1.0
    looks: int | None = None


@dataclass
class Ending:
    """How jobs end, if not well."""

    glob: str
    status: str  # Failed or Canceled
    error: Refusal | None = None
    step: str = ""  # which step fails, if it has steps; empty: the first
    tags: Mapping[str, str] = field(default_factory=dict)  # that this step gets before it does
    times: int | None = None  # None: from then on always


@dataclass(frozen=True, slots=True)
class Training:
    """What jobs register when they complete: a model, by default its next version."""

    glob: str
    model: str
    version: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    type: str = "mlflow_model"


@dataclass
class JobScript:
    """All that is on request. Of several paces and endings that fit, the one that was said last counts."""

    paces: list[tuple[str, JobPace]] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    trainings: list[Training] = field(default_factory=list)
    unlisted: int = 0  # so many queries do not show a new run of Data Factory yet

    def pace(self, names: Iterable[str]) -> JobPace:
        """How long such a job takes."""
        names = tuple(names)
        return next((pace for glob, pace in reversed(self.paces) if fits(glob, names)), JobPace())

    def ending(self, names: Iterable[str]) -> Ending | None:
        """How such a job ends; None: well. Counts."""
        names = tuple(names)
        for ending in reversed(self.endings):
            if ending.times != 0 and fits(ending.glob, names):
                ending.times = None if ending.times is None else ending.times - 1
                return ending
        return None

    def registers(self, names: Iterable[str]) -> list[Training]:
        """What such a job registers."""
        names = tuple(names)
        return [training for training in self.trainings if fits(training.glob, names)]
