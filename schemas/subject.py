"""Read the ids in an event's `subject`. The event's data identifies its object; the subject is for those who filter it.

Shapes of subjects: learn.microsoft.com, "Trigger applications, processes, or CI/CD workflows based on Azure Machine
Learning events".
"""

import re
from typing import TypeVar

S = TypeVar("S", bound=tuple[str, ...])


def subject_parts(kind: type[S], pattern: str, subject: str) -> S | None:
    """The groups of the pattern that the whole subject matches, regardless of case, as `kind`; None for no match."""
    match = re.fullmatch(pattern, subject, re.IGNORECASE)
    return kind(*filter(None, match.groups())) if match else None
