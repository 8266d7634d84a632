"""Read the ids in an event's `subject`. The event's data identifies its object; the subject is meant for filters.

Shapes of subjects: learn.microsoft.com, "Trigger applications, processes, or CI/CD workflows based on Azure Machine
Learning events".
"""

import re
from typing import TypeVar

S = TypeVar("S", bound=tuple[str, ...])


def subject_parts(kind: type[S], pattern: str, subject: str) -> S | None:
    """Match the whole subject, regardless of case, and return the pattern's groups as `kind`; None for no match."""
    match = re.fullmatch(pattern, subject, re.IGNORECASE)
    return kind(*filter(None, match.groups())) if match else None
