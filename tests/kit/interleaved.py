"""A table at one of whose calls something else happens, such as the work of another worker."""

from collections.abc import Callable
from dataclasses import dataclass

from dispatch.inbox.tables import Row, Table


@dataclass
class Interleaved:
    """A table that runs something at one of its calls."""

    table: Table
    at: int
    run: Callable[[], object]
    calls: int = 0

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self.at:
            self.run()

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        self._count()
        return self.table.read(partition, first, last, limit)

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        self._count()
        return self.table.commit(partition, *rows, delete=delete)
