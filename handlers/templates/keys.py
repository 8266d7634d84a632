"""The keys that a template reads, from its syntax tree, by which rules are checked before an event arrives.

`reads` follows chains of names such as ``data.runTags['owner']``, through the variables of loops and of ``set``. What
depends on the event, as ``data[name]`` does, is left out. So are names that the template itself defines in a way that
this module does not follow: what is listed is certainly read if the template gets there.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from jinja2 import nodes

Path: TypeAlias = tuple[str | int, ...]

_ITEM = 0  # the index that stands for every item of a list
_FIRST_IS_ATTRIBUTE = (
    "selectattr",
    "rejectattr",
    "groupby",
    "sum",
)  # filters whose first argument is one of the items'
_GUARDS = ("defined", "undefined")
_OF_LOOPS = ("loop", "caller", "varargs", "kwargs", "self", "super")


@dataclass(frozen=True, slots=True)
class Read:
    """A key that a template reads. `line` counts from 1 in the template."""

    path: Path
    line: int
    is_guarded: bool = False  # may it be missing? It has a default, or is tested by ``if`` or inside of one


def reads(tree: nodes.Template) -> list[Read]:
    """The keys that a template reads, in order, each once."""
    return list(dict.fromkeys(_Reader(tree).read(tree, is_guarded=False)))


class _Reader:
    """Walks through a syntax tree. A variable counts as one in the whole template, wherever it is defined."""

    def __init__(self, tree: nodes.Template) -> None:
        stored = Counter(name.name for name in tree.find_all(nodes.Name) if name.ctx != "load")
        stored.update(macro.name for macro in tree.find_all(nodes.Macro))
        self._variables: dict[str, Path | None] = dict.fromkeys(
            [*stored, *_OF_LOOPS]
        )  # None: its value is not followed
        for definition in tree.find_all((nodes.For, nodes.Assign)):
            match definition:
                case nodes.For(target=nodes.Name(name=name), iter=value) if stored[name] == 1:
                    self._variables[name] = _item_of(self._path(value))
                case nodes.Assign(target=nodes.Name(name=name), node=value) if stored[name] == 1:
                    self._variables[name] = self._path(value)

    def read(self, node: nodes.Node, *, is_guarded: bool) -> Iterator[Read]:
        """The keys that a node reads, with those inside of it."""
        match node:
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                yield from self._chain(node, is_guarded)
            case nodes.Filter():
                yield from self._filter(node, is_guarded)
            case nodes.Test() if node.name in _GUARDS:
                yield from self.read(node.node, is_guarded=True)
            case nodes.Call():
                yield from self._call(node, is_guarded)
            case nodes.If() | nodes.CondExpr():
                yield from self._tested(node.test, is_guarded)
                others = [each for each in node.iter_child_nodes() if each is not node.test]
                yield from self._all(others, is_guarded=True)
            case nodes.For():
                yield from self.read(node.iter, is_guarded=is_guarded)
                others = [each for each in node.iter_child_nodes() if each is not node.iter]
                yield from self._all(others, is_guarded=True)
            case nodes.Not():
                yield from self._tested(node.node, is_guarded)
            case nodes.And():
                yield from self.read(node.left, is_guarded=is_guarded)
                yield from self.read(node.right, is_guarded=True)
            case nodes.Or():
                yield from self._tested(node.left, is_guarded)
                yield from self.read(node.right, is_guarded=True)
            case nodes.Macro():  # its body may never run
                yield from self._all(node.iter_child_nodes(), is_guarded=True)
            case _:
                yield from self._all(node.iter_child_nodes(), is_guarded)

    def _all(self, inner: Iterable[nodes.Node], is_guarded: bool) -> Iterator[Read]:
        for each in inner:
            yield from self.read(each, is_guarded=is_guarded)

    def _tested(self, node: nodes.Node, is_guarded: bool) -> Iterator[Read]:
        """The keys that an expression reads of which only the truth counts: a key that is missing is false."""
        match node:
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                yield from self.read(node, is_guarded=True)
            case nodes.And() | nodes.Or():
                yield from self._tested(node.left, is_guarded)
                yield from self._tested(node.right, is_guarded=True)
            case _:
                yield from self.read(node, is_guarded=is_guarded)

    def _chain(self, node: nodes.Expr, is_guarded: bool) -> Iterator[Read]:
        path = self._path(node)
        if path:
            yield Read(path, node.lineno, is_guarded)
        elif isinstance(node, nodes.Getattr | nodes.Getitem):
            yield from self.read(node.node, is_guarded=is_guarded)
        while isinstance(node, nodes.Getattr | nodes.Getitem):  # data[name] reads name
            if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Const):
                yield from self.read(node.arg, is_guarded=is_guarded)
            node = node.node

    def _filter(self, node: nodes.Filter, is_guarded: bool) -> Iterator[Read]:
        is_default = node.name in ("default", "d")  # its argument may be missing, too, where it is not needed
        if node.node is not None:
            yield from self.read(node.node, is_guarded=is_guarded or is_default)
            if (path := _item_of(self._path(node.node))) and (attribute := _attribute(node)):
                yield Read((*path, *attribute.split(".")), node.lineno, is_guarded)
        yield from self._all((*node.args, *node.kwargs), is_guarded or is_default)

    def _call(self, node: nodes.Call, is_guarded: bool) -> Iterator[Read]:
        if isinstance(node.node, nodes.Getattr):
            yield from self.read(node.node.node, is_guarded=is_guarded)
        yield from self._all((*node.args, *node.kwargs), is_guarded)

    def _path(self, node: nodes.Node) -> Path | None:
        """The key that an expression stands for; None if it is no chain of names, or begins with a variable."""
        match node:
            case nodes.Name(name=name, ctx="load"):
                return self._variables.get(name, (name,))
            case nodes.Getattr(node=holder, attr=name):
                return self._extended(holder, name)
            case nodes.Getitem(node=holder, arg=nodes.Const(value=str() | int() as part)):
                return self._extended(holder, part)
        return None

    def _extended(self, holder: nodes.Node, part: str | int) -> Path | None:
        path = self._path(holder)
        return (*path, part) if path else None


def _item_of(path: Path | None) -> Path | None:
    return (*path, _ITEM) if path else None


def _attribute(node: nodes.Filter) -> str | None:
    """The name of the items' attribute that a filter reads, as ``map(attribute='metric')`` does."""
    named = [each.value for each in node.kwargs if each.key == "attribute"]
    first = node.args[:1] if node.name in _FIRST_IS_ATTRIBUTE else []
    constants = [each.value for each in (*named, *first) if isinstance(each, nodes.Const)]
    return next((value for value in constants if isinstance(value, str)), None)
