"""Read files with tests of rules."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dispatch.rules.errors import RuleError
from dispatch.rules.reading.nodes import START, Position, RuleFile, Scalar, Sequence, Table, field_of
from dispatch.rules.reading.pydantic_errors import validated
from dispatch.rules.reading.shapes import with_intended_keys
from dispatch.rules.reading.yaml import read
from mlevents.commands.rule_tests.model import Case, TestsFile

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class FileCase:
    """A test with its position. `settings` are its own over those of its file; `folder` is the file's."""

    case: Case
    file: str
    node: Table
    folder: Path
    settings: Mapping[str, str]

    @property
    def line(self) -> int:
        """Where it begins."""
        return self.node.position.line

    def position(self, key: str, rule: str = "", name: str = "") -> Position:
        """Where a key is written, or the rule below it, or a name below that; else what is around it."""
        at, node = self.node.keys.get(key, self.node.position), self.node.fields.get(key)
        for each in filter(None, (rule, name)):
            if isinstance(node, Sequence):
                found = (item for item in node.items if isinstance(item, Scalar) and item.value == each)
                return next((item.position for item in found), at)
            if not isinstance(node, Table) or each not in node.keys:
                break
            at, node = node.keys[each], node.fields[each]
        return at


def read_tests(paths: Iterable[Path], names: Mapping[Path, str]) -> Iterator[FileCase | RuleError]:
    """The tests in files, in order, and the errors in files that are not valid."""
    for path in paths:
        yield from _read(path, names[path])


def _read(path: Path, name: str) -> Iterator[FileCase | RuleError]:
    settings = {
        key: node.value
        for key, node in _fields(field_of(read(path, name, {}).root, "settings")).items()
        if isinstance(node, Scalar) and isinstance(node.value, str)
    }
    file = read(path, name, settings)  # again: the file may name its own settings
    if file.root is None and file.readable:
        file.error(START, "the file has no tests", "Begin it with 'tests:'.")
    valid = _validated(file)
    yield from file.errors
    if valid is None or file.refused:
        return
    listed = field_of(file.root, "tests")
    nodes = [node for node in (listed.items if isinstance(listed, Sequence) else ()) if isinstance(node, Table)]
    for case, node in zip(valid.tests, nodes, strict=True):
        yield FileCase(case, name, node, path.parent, {**valid.settings, **case.settings})


def _validated(file: RuleFile) -> TestsFile | None:
    return validated(TestsFile, with_intended_keys(file.root, TestsFile), file) if file.root is not None else None


def _fields(node: object) -> Mapping[str, object]:
    return node.fields if isinstance(node, Table) else {}
