"""`Walk`: goes through a list of any length, a part in each look, and remembers where it was."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import Any

from dispatch.inbox.shared_state import hashed
from dispatch.watch.memory import KEEP
from dispatch.watch.scope import Look
from handlers.azure.listed import Listed
from handlers.azure.lists import Page
from handlers.base import GiveUp


class Walk:
    """A walk through the list of one kind in one workspace or registry. Methods raise what those of Lists raise.

    `complete`: has a walk come to the end of the list before? Until then, what is seen is only remembered.
    """

    def __init__(self, look: Look, kind: str) -> None:
        self._look = look
        self._name = f"watched|walk|{hashed(kind, *look.resource.key)}"
        found = look.app.inbox.shared.all(self._name).get(self._name, {}) if look.since else {}
        self.complete = "complete" in found
        self._url, self._after = found.get("next", ""), found.get("after", "")

    def resources(self, path: str, query: Mapping[str, str]) -> "closing[Generator[Listed, None, None]]":
        """The resources of the list, from where the last look ended; the position is kept when the block ends."""
        return closing(self._resources(path, query))

    def _resources(self, path: str, query: Mapping[str, str]) -> Generator[Listed, None, None]:
        try:
            page = self._first_page(path, query)
            while True:
                for body in _following(page.items, self._after):
                    if found := Listed.of(body):
                        yield found
                        self._after = found.name
                self._after, self._url = "", page.next
                if not page.next:
                    self.complete = True
                    return
                page = self._look.lists.next_page(page.next)
        finally:
            self._save()

    def _first_page(self, path: str, query: Mapping[str, str]) -> Page:
        """The page on which the last look ended; the first one if that is gone, since links expire."""
        if self._url:
            try:
                return self._look.lists.next_page(self._url)
            except GiveUp:
                self._url = self._after = ""
        return self._look.lists.page(path, query)

    def _save(self) -> None:
        value = {"next": self._url, "after": self._after, **({"complete": "yes"} if self.complete else {})}
        value = {name: text for name, text in value.items() if text}
        self._look.app.inbox.shared.change(
            self._name, lambda before: before if before == value else value, self._look.app.now(), KEEP
        )


def _following(items: Sequence[Mapping[str, Any]], after: str) -> Sequence[Mapping[str, Any]]:
    """What follows the resource of this name on a page; the whole page if it is not there."""
    names = [item.get("name") for item in items]
    return items[names.index(after) + 1 :] if after in names else items
