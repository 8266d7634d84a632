"""`BoundedComposer`: ruamel.yaml's composer within limits, so that a small file cannot take much time or memory."""

from typing import Any

from ruamel.yaml import nodes
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, StreamMark
from ruamel.yaml.events import AliasEvent

MAX_BYTES = 256 * 1024  # of a file; some thousand rules
MAX_NODES = 20_000  # with aliases expanded
MAX_LEVELS = 40


class BoundedComposer(Composer):
    """Counts nodes, with aliases expanded. Raises MarkedYAMLError if there are more than `MAX_NODES`."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False
        self._sizes: dict[str, int] = {}  # the number of nodes of each anchor that is complete
        self._count = 0

    def is_complete(self, anchor: str) -> bool:
        """Has the node of this anchor been composed?"""
        return anchor in self._sizes

    def compose_node(self, parent: Any, index: Any) -> nodes.Node:
        """Compose the next node, or find the node of an alias."""
        event = self.parser.peek_event()
        if isinstance(event, AliasEvent):
            if event.anchor in self.anchors and not self.is_complete(event.anchor):
                raise MarkedYAMLError(None, None, f"*{event.anchor} contains itself", event.start_mark)
            self._add(self._sizes.get(event.anchor, 0) + 1, event.start_mark)
            aliased: nodes.Node = super().compose_node(parent, index)
            return aliased
        self._add(1, event.start_mark)
        before = self._count
        if event.anchor:
            self._sizes.pop(event.anchor, None)  # an anchor may be defined again
        node: nodes.Node = super().compose_node(parent, index)
        if event.anchor:
            self._sizes[event.anchor] = self._count - before + 1
        return node

    def _add(self, count: int, mark: StreamMark) -> None:
        self._count += count
        if self._count > MAX_NODES:
            raise MarkedYAMLError(None, None, "too many nodes", mark)
