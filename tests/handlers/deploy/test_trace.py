"""The trace of a roll-out, from the event to its end."""

from pathlib import Path

from tests.handlers.deploy.conftest import MakeSite
from tests.kit.otlp import otlp_receiver, tree
from tests.test_docs import blocks

PAGE = (Path(__file__).parents[3] / "docs" / "operating.md").read_text(encoding="utf-8")


def test_the_picture_of_a_roll_out_shows_its_spans(make: MakeSite) -> None:
    site = make()
    with otlp_receiver() as receiver:
        with receiver.telemetry() as site.world.telemetry:
            site.register("7")
            site.run()
        _, picture = blocks("text", PAGE)
        assert tree(receiver.spans) == picture.splitlines()
    assert len({span.trace for span in receiver.spans}) == 1
