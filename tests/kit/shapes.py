"""Shapes: descriptions of JSON and YAML texts of any size, for a search of the texts that cost most.

A shape is small and can be changed at random; `Shape.text` writes it at the size that a measurement needs. So the cost
of one shape can be compared over sizes.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import TypeAlias

# Parts of texts: plain, not ASCII, escaped, white space, markup, and what code looks for.
_PIECES = (
    *("a", "A", "é", "😀", "ſ", "\\ud83d", "\\u0000", "\\\\", '\\"', "\\n", "\\n\\n", " ", ".", "_", "-", "0", "_A"),
    *(
        "<",
        "&",
        "'",
        "{",
        "}",
        "[",
        "{{",
        "http://a ",
        "http://",
        "a@b.c ",
        "=?",
        "azureml.",
        "/",
        ",",
        "x:1,",
        "mle-1-",
    ),
    *(
        "The signal '",
        "['{",
        "', ",
        "{},",
        "'{}', ",
        '\\"group\\":\\"a\\",',
        "/*",
        "//",
        '\\\\\\"',
        "null",
        "$",
        "${",
        "*",
    ),
)
_ATOMS = (
    *("0", "-1", "1.5", "1e300", "NaN", "Infinity", "true", "null", '""', '"x"', '"null"', "[]", "{}", "[[[[[0]]]]]"),
    *("9" * 300, "9" * 400, '{"a":{"a":{"a":{"a":1}}}}', '"2026-11-22T09:00:00Z"', ""),
)
_KINDS = ("atom", "text", "digits", "list", "object", "same", "under", "pair", "deep", "raw")
_INNER = {"list": 1, "object": 1, "same": 1, "under": 1, "deep": 1, "pair": 2}  # how many values each kind contains
_UNITS = (1, 40, 1_000, 0)  # characters of an element of a list or an object; 0: the square root of the size


@dataclass(frozen=True, slots=True)
class Shape:
    """A value: `kind` says how it fills its size, with `piece` for texts and names, and with `inner` shapes."""

    kind: str = "atom"
    piece: str = "0"
    unit: int = 1
    inner: tuple["Shape", ...] = ()

    def text(self, size: int) -> str:
        """The value as JSON, or nearly so, with about `size` characters."""
        match self.kind:
            case "text":
                return f'"{self._fill(size)}"'
            case "raw":
                return self._fill(size)
            case "digits":
                return "9" * max(size, 1)
            case "list":
                return f"[{','.join(self._elements(size, named=False))}]"
            case "object":
                return f"{{{','.join(self._elements(size, named=True))}}}"
            case "same":
                member = f'"{self.piece}":{self.inner[0].text(self.unit)}'
                return f"{{{','.join([member] * max(size // (len(member) + 1), 1))}}}"
            case "under":
                return f'{{"{self._fill(size // 2)}":{self.inner[0].text(size // 2)}}}'
            case "pair":
                return f"[{self.inner[0].text(size // 2)},{self.inner[1].text(size // 2)}]"
            case "deep":
                levels = min(self.unit or 100_000, size // 4)
                return "[" * levels + self.inner[0].text(size - 2 * levels) + "]" * levels
        return self.piece

    def _fill(self, size: int) -> str:
        return self.piece * max(size // len(self.piece), 1)

    def _elements(self, size: int, *, named: bool) -> list[str]:
        element = self.inner[0].text(self.unit or int(size**0.5))
        name = self.piece[:12] if named else ""
        length = len(element) + (len(name) + 9 if named else 1)
        count = max(size // length, 1)
        if not named:
            return [element] * count
        swapped = name.swapcase()  # every other name differs from its neighbour in case only, if it can
        return [f'"{swapped if n % 2 else name}{n // 2}":{element}' for n in range(count)]


def random_shape(dice: Random, levels: int = 3) -> Shape:
    """Any shape with at most so many levels."""
    kind = dice.choice(_KINDS if levels else _KINDS[:3])
    piece = dice.choice(_ATOMS if kind == "atom" else _PIECES)
    unit = dice.choice((60, 3, 0) if kind == "deep" else _UNITS)
    return Shape(kind, piece, unit, tuple(random_shape(dice, levels - 1) for _ in range(_INNER.get(kind, 0))))


def changed(shape: Shape, dice: Random, levels: int = 3) -> Shape:
    """The shape with one part replaced at random."""
    if not shape.inner or dice.random() < 0.3:
        return random_shape(dice, levels)
    if dice.random() < 0.4:
        return replace(shape, piece=dice.choice(_PIECES if shape.kind != "atom" else _ATOMS), unit=dice.choice(_UNITS))
    at = dice.randrange(len(shape.inner))
    inner = [*shape.inner]
    inner[at] = changed(inner[at], dice, levels - 1)
    return replace(shape, inner=tuple(inner))


Genes: TypeAlias = tuple[int, ...]

# What a rule may have under each key, if anything, separated by " | ". {n} is the number of the rule, {p} of the one
# before it, {q} of the one after; {all} are earlier rules, {next} later ones. After " || " come invalid values.
_CHOICES = {
    "name": "r{n} || R{n} | r | {long}{n} | 5 | ",
    "on": "RunStatusChanged | [RunCompleted, RunStatusChanged] | DriftDetected "
    "|| RunStatusChange{n} | any | [{many}] | ",
    "after": " | r{p} | [{all}] | { rules: [{all}], outcome: any } || r{q} | typo{n} | [r{n}] | [{next}] | {long}x{n}",
    "in": " | churn-dev | { env: dev } | { env: [dev, prod] } | w{n} || churn-de{n} | { env: de{n} } | { en{n}: dev } "
    "| [{many}] | { l{n}: x }",
    "when": " | data.runStatus StringIn Failed | [data.runTags.a.b.c.d.e StringIn {many}] | { any: [id IsNotNull] } "
    "| [a{n} IsNotNull, b{n} IsNotNull] | {long} IsNotNull || data.x StringI x | data.runTags.a NumberIn a{n}",
    "do": "log || email | lo{n} | os:environ{n} |  | no{n}.such:Module",
    "with": " | { level: error } || { leve{n}: error } | { to: [{many}] } | { to: a{n}@b.c, subject: x } | 5",
    "retry": " | { for: 1h } || { for: {n}x } | { {n}: 1 }",
    "latest_only": " | true || ye{n}",
    "at_most": " | 3 in 1h by data.runTags.a || {n} in x",
    "lock": " | a || {{ data.runId }}",
    "unknow{n}": " || 1 | {many}",
}
_KEYS = tuple(
    (key, tuple(valid.split(" | ")), tuple(invalid.split(" | ")))
    for key, (valid, _, invalid) in ((key, text.partition(" || ")) for key, text in _CHOICES.items())
)
_WORKSPACE_GENES = 3  # no workspaces, half of the size with one label for all and one each, or with one each


def random_genes(dice: Random, *, valid: bool = False) -> Genes:
    """The choices of one rule, and whether there are workspaces; half of all choices are the first."""
    genes = (_gene(at, dice, valid) if dice.random() < 0.5 else 0 for at in range(len(_KEYS)))
    return (*genes, dice.randrange(_WORKSPACE_GENES))


def changed_genes(genes: Genes, dice: Random, *, valid: bool = False) -> Genes:
    """The genes with one choice replaced at random."""
    at = dice.randrange(len(genes))
    gene = _gene(at, dice, valid) if at < len(_KEYS) else dice.randrange(_WORKSPACE_GENES)
    return (*genes[:at], gene, *genes[at + 1 :])


def _gene(at: int, dice: Random, valid: bool) -> int:
    _, good, bad = _KEYS[at]
    return dice.randrange(len(good) if valid else len(good) + len(bad))


def rules_text(genes: Genes, size: int) -> tuple[str, str]:
    """A rules file of rules with these choices, and entries of workspaces.yaml, together about `size` characters."""
    share = size // 2 if genes[-1] else 0
    workspaces: list[str] = []
    length = 0
    while length < share:
        n = len(workspaces)
        label = f"env: dev, l{n}: x" if genes[-1] == 1 else f"env: e{n}"
        workspaces.append(f"  w{n}: {{ id: {_ARM.format(n)}, {label} }}\n")
        length += len(workspaces[-1])
    rules: list[str] = []
    length = 0
    while length < size - share:
        rules.append(_rule(genes, len(rules)))
        length += len(rules[-1])
    return "rules:\n" + "".join(rules), "".join(workspaces)


_ARM = "/subscriptions/1/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w{}"


def _rule(genes: Genes, number: int) -> str:
    earlier, later = range(max(number - 30, 0), number), range(number + 1, number + 10)
    words = {
        "{n}": str(number),
        "{p}": str(max(number - 1, 0)),
        "{q}": str(number + 1),
        "{all}": ", ".join(f"r{n}" for n in earlier) or "r0",
        "{next}": ", ".join(f"r{n}" for n in later),
        "{many}": ", ".join(f"x{n}" for n in range(20)),
        "{long}": "".join(chr(0x4E00 + n * 7 % 5_000) for n in range(300)),
    }
    lines = []
    has_after = genes[2] > 0 and number > 0
    for (key, good, bad), gene in zip(_KEYS, genes, strict=False):
        choice = (*good, *bad)[gene].strip()
        if choice and key != ("on" if has_after else "after"):
            line = f"{key}: {choice}"
            for word, text in words.items():
                line = line.replace(word, text)
            lines.append(line)
    return "  - " + "\n    ".join(lines or ["{}"]) + "\n"
