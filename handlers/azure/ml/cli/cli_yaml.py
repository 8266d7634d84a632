"""`CliYaml`: a YAML file of the Azure ML CLI, read as azure-ai-ml reads it, with positions and within limits.

azure-ai-ml calls PyYAML's `safe_load` (azure/ai/ml/_utils/utils.py, `load_yaml`), which reads YAML 1.1: ``yes`` is
true, ``1:30`` is 90, ``1e-4`` is a text. The same loader reads the file here, so that no scalar can differ. Keys that
occur twice, of which `safe_load` keeps the last, are errors.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import yaml
from yaml.error import Mark, MarkedYAMLError, YAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from handlers.bounded_yaml import MAX_LEVELS, MAX_NODES

_NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
_MAX_DIGITS = 400
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True)
class CliYaml:
    """The content of a file, and where its values are."""

    name: str  # for messages
    content: Mapping[str, Any]
    root: Node
    text: str
    _members: dict[int, dict[str, tuple[int, Node]]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, data: bytes, name: str) -> Self:
        """Parse a file. Raises ValueError, with the position, if it is not YAML, too large, or no mapping."""
        try:
            text = data.decode("utf-8-sig")  # as azure-ai-ml opens files
            loader = _Loader(text)
            try:
                root = loader.get_single_node()
                content = None if root is None else _construct(loader, root)
            finally:
                loader.dispose()
        except UnicodeDecodeError as error:
            raise ValueError(f"{name} is not YAML: byte {error.start + 1} is not UTF-8") from error
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = " ".join(str(error.problem or error.context).split())
            raise ValueError(f"{_position(name, mark)} is not YAML: {problem}") from error
        except (YAMLError, RecursionError) as error:
            problem = "too many levels" if isinstance(error, RecursionError) else " ".join(str(error).split())
            raise ValueError(f"{name} is not YAML: {problem}") from error
        if not isinstance(content, Mapping):
            raise ValueError(f"{name} should contain a mapping (key: value)")  # noqa: TRY004 - pydantic collects ValueErrors
        return cls(name, content, root, text)

    def line(self, path: Iterable[object]) -> int:
        """The line of the key at a path, such as ``("inputs", "rate")``, or of the last part that the file has."""
        node, line = self.root, self.root.start_mark.line
        for part in path:
            found = self._child(node, part)
            if found is None:
                break
            line, node = found
        return int(line) + 1

    def _child(self, node: Node, part: object) -> tuple[int, Node] | None:
        """The line and the node of a key or an index. A mapping is searched once: a file can have many errors."""
        if isinstance(node, MappingNode):
            if id(node) not in self._members:
                members = {key.value: (key.start_mark.line, value) for key, value in reversed(_scalar_keys(node))}
                self._members[id(node)] = members
            return self._members[id(node)].get(str(part))
        if isinstance(node, SequenceNode) and str(part).isdigit() and int(str(part)) < len(node.value):
            item = node.value[int(str(part))]
            return item.start_mark.line, item
        return None

    def texts(self) -> Iterator[tuple[tuple[Any, ...], str]]:
        """Each text in the file, with its path."""
        return _texts(self.content, ())

    def line_with(self, texts: Iterable[str]) -> int:
        """The first line that contains one of the texts; 1 if none does."""
        lines = (number for each in texts for number, line in enumerate(self.text.splitlines(), 1) if each in line)
        return next(lines, 1)

    def at(self, path: Iterable[object]) -> str:
        """The name and the line of a path, for a message: ``jobs/retrain.yml:7``."""
        return f"{self.name}:{self.line(path)}"


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """PyYAML's safe loader, which stops at `MAX_NODES`, and gives a position to values that Python refuses."""

    count = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        """Compose the next node."""
        self.count += 1
        if self.count > MAX_NODES:
            raise MarkedYAMLError(problem="too many nodes", problem_mark=self.peek_event().start_mark)
        return super().compose_node(parent, index)

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        """Construct a value; a date that does not exist raises a plain ValueError in PyYAML.

        PyYAML multiplies the parts of ``1:30``, in time that grows with the square of their number.
        """
        if node.tag in _NUMBERS and len(node.value) > _MAX_DIGITS:
            raise MarkedYAMLError(problem=f"a number of more than {_MAX_DIGITS} digits", problem_mark=node.start_mark)
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            raise MarkedYAMLError(problem=str(error), problem_mark=node.start_mark) from error


def _construct(loader: _Loader, root: Node) -> Any:
    _check_size(root, {}, frozenset())
    return loader.construct_document(root)


def _check_size(node: Node, sizes: dict[int, tuple[int, int]], parents: frozenset[int]) -> tuple[int, int]:
    """The nodes and levels from a node, with aliases expanded. Raises MarkedYAMLError beyond the limits."""
    if id(node) in parents:
        raise MarkedYAMLError(problem="an anchor contains an alias of itself", problem_mark=node.start_mark)
    if id(node) not in sizes:
        count = level = 0
        for child in _children(node):
            below, depth = _check_size(child, sizes, parents | {id(node)})
            count, level = count + below, max(level, depth)
        sizes[id(node)] = count + 1, level + 1
        if count >= MAX_NODES or level >= MAX_LEVELS:
            limit = "too many nodes" if count >= MAX_NODES else f"more than {MAX_LEVELS} levels"
            raise MarkedYAMLError(problem=limit, problem_mark=node.start_mark)
    return sizes[id(node)]


def _children(node: Node) -> Iterable[Node]:
    """The nodes in a node. Raises MarkedYAMLError if a key occurs twice."""
    if isinstance(node, SequenceNode):
        return list(node.value)
    if not isinstance(node, MappingNode):
        return ()
    seen: set[Hashable] = set()
    for key, _ in node.value:
        written = (key.tag, key.value) if isinstance(key, ScalarNode) else id(key)
        if written in seen and key.tag != _MERGE:
            raise MarkedYAMLError(problem=f"the key {key.value!r} occurs twice", problem_mark=key.start_mark)
        seen.add(written)
    return [part for pair in node.value for part in pair]


def _scalar_keys(node: MappingNode) -> list[tuple[ScalarNode, Node]]:
    return [(key, value) for key, value in node.value if isinstance(key, ScalarNode)]


def value_at(content: Any, path: Iterable[Any]) -> Any:
    """The value at a path of keys and indexes; None if there is none."""
    for part in path:
        if isinstance(content, Mapping):
            content = content.get(part)
        elif isinstance(content, list) and isinstance(part, int) and part < len(content):
            content = content[part]
        else:
            return None
    return content


def _texts(content: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(content, str):
        yield path, content
    inner = content.items() if isinstance(content, Mapping) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield from _texts(value, (*path, key))


def _position(name: str, mark: Mark | None) -> str:
    return f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
