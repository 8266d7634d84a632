"""The numbers of days, as `Entry.counted` names them, in groups for people."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

OUTCOMES = ("succeeded", "skipped", "failed")


@dataclass(slots=True)
class Numbers:
    """What was received, rejected and ended. Numbers add up with `add`."""

    types: Counter[str] = field(default_factory=Counter)  # received events by type
    workspaces: Counter[str] = field(default_factory=Counter)  # received events by workspace
    rejected: Counter[str] = field(default_factory=Counter)  # rejected events by kind
    rules: dict[str, Counter[str]] = field(default_factory=dict)  # ends by rule and outcome

    def add(self, numbers: Mapping[str, int]) -> None:
        """Add numbers of the index. Those of newer versions of the app are left out."""
        for name, count in numbers.items():
            match name.split("|"):
                case ["type", type]:
                    self.types[type] += count
                case ["workspace", workspace]:
                    self.workspaces[workspace] += count
                case ["rejected", kind]:
                    self.rejected[kind] += count
                case ["rule", rule, status]:
                    self.rules.setdefault(rule, Counter())[status] += count

    @property
    def received(self) -> int:
        """The number of received events."""
        return self.types.total()

    @property
    def outcomes(self) -> Counter[str]:
        """The ends of all rules by outcome."""
        return Counter({status: sum(ends[status] for ends in self.rules.values()) for status in OUTCOMES})
