"""Docstrings of the library as the site's tools read them: they take `Examples:` for code, and `Example:` for prose."""

from __future__ import annotations

import griffe


class Examples(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace("Example:\n", "Examples:\n")
