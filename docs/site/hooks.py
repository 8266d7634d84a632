"""What `make docs` does beside MkDocs: pages for files outside of docs/, and nothing from another site.

See "Hooks" in the user guide of MkDocs for the names and arguments of these functions.
"""

import shutil
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from docs.site.links import DOCS, OUTSIDE, ROOT, in_site, loaded_from_elsewhere, page_of, rewritten, targets

_ASSETS = {
    "icon.svg": "web/icon.svg",
    "iframe-worker.js": "node_modules/iframe-worker/shim/index.js",
    "mermaid.js": "node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js",
}
_origins: dict[str, Path] = {}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages outside of docs/ that the site names or that a page links, and the files that those link."""
    todo = [ROOT / name for name in OUTSIDE] + [Path(str(file.abs_src_path)) for file in files.documentation_pages()]
    while todo:
        path = todo.pop()
        name = in_site(path)
        if not path.is_relative_to(DOCS) and name not in _origins:
            level = InclusionLevel.INCLUDED if name in OUTSIDE.values() else InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, name, content=page_of(path), inclusion=level))
        if name not in _origins and path.suffix == ".md":
            todo += [each for each in targets(path.read_text(encoding="utf-8"), path.parent) if each.is_file()]
        _origins[name] = path
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let the links of a page lead to files of the site."""
    origin = _origins[page.file.src_uri]
    return rewritten(markdown, origin, page.file.src_uri) if origin.suffix == ".md" else markdown


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:
    """Load mermaid where a page has a diagram. Raises PluginError if the page loads a file from another site."""
    if tag := loaded_from_elsewhere(output):
        raise PluginError(f"{page.file.src_uri} loads {tag}: the site loads nothing from elsewhere")
    if 'class="mermaid"' not in output:
        return output
    script = f'<script src="{"../" * page.url.count("/")}assets/mermaid.js"></script>'
    return output.replace("<script src=", script + "<script src=", 1)


def on_post_build(*, config: MkDocsConfig) -> None:
    """Copy the icon of the app's pages, and the two scripts that the theme would otherwise load from unpkg.com."""
    for name, path in _ASSETS.items():
        shutil.copyfile(ROOT / path, Path(config.site_dir) / "assets" / name)
