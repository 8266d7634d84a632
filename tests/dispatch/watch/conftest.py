"""A world whose rules ask the watch for everything, and a fake Azure."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dispatch.watch import looks
from tests.dispatch.watch.azure import FakeAzure
from tests.dispatch.watch.watching import REGISTRY, WORKSPACE, Watching


@pytest.fixture
def watching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Watching]:
    """What makes a world with a rule on these event types, and an empty workspace and registry."""

    def make(*types: str, **options: object) -> Watching:
        made = Watching.on(tmp_path, *types)
        made.azure = FakeAzure(made.world.clock, **options)  # type: ignore[arg-type]
        for scope in (WORKSPACE, REGISTRY):
            made.azure.put(scope, {})
        monkeypatch.setattr(looks, "service", lambda: made.azure)
        return made

    return make
