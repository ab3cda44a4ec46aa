"""Pages of the site that stand beside docs/ in the repository: its home is README.md."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
# By their place in the site.
BESIDE = {
    "index.md": "README.md",
    "SECURITY.md": "SECURITY.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "audit.ipynb": "examples/audit.ipynb",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, with links as they are in the site."""
    for place, name in BESIDE.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        if place.endswith(".md"):
            text = text.replace("](docs/", "](").replace("](README.md", "](index.md").replace("](examples/", "](")
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Links of pages in docs/ to what stands beside it."""
    return markdown.replace("](../README.md", "](index.md").replace("](../SECURITY.md", "](SECURITY.md")
