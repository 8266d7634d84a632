"""docs/reference/settings.md: the app settings."""

from collections.abc import Iterator, Mapping

from docs.generate.table import row
from mlevents.known_settings import APP, HOST, MAIL, Known

_INTRODUCTION = """\
# App settings

In Azure, set them with `az functionapp config appsettings set`, or in infra/main.bicepparam; on your machine, in
local.settings.json. A change restarts the app. A missing or invalid setting is an error that names it: `mlevents check`
finds it before you publish. For secrets, prefer identities, then
[Key Vault references](../operating.md#secrets-and-how-to-rotate-them).

Rules read settings whose names begin with `RULES_`, as [`${RULES_NAME}`](../rules.md#settings).
`python -m docs.generate` writes this page.
"""


def page() -> str:
    """The page."""
    parts = [_INTRODUCTION]
    for heading, settings in (("The app", APP), ("Mail", MAIL), ("The host and its storage", HOST)):
        parts += [f"## {heading}\n", *_table(settings)]
    return "\n".join(parts)


def _table(settings: Mapping[str, Known]) -> Iterator[str]:
    yield "| setting | meaning | default |"
    yield "|---|---|---|"
    yield from (row([f"`{name}`", known.meaning, known.default]) for name, known in settings.items())
    yield ""
