"""How static files are named: by their content, ES modules included, so browsers keep them for good."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.contrib.staticfiles.storage import staticfiles_storage
from servestatic.middleware import ServeStaticMiddleware
from servestatic.storage import CompressedManifestStaticFilesStorage

OUR_MODULES = "js/"
VENDORED = "vendor/"


_found: dict[tuple[str, ...], tuple[dict[str, Any], list[Any]]] = {}


class StaticFiles(ServeStaticMiddleware):  # type: ignore[misc]
    """Looks at its four hundred files, most of them of Django's admin, once for all request handlers of a
    process: a third of a second each time."""

    def add_files_from_manifest(self) -> None:
        storage: Any = staticfiles_storage
        key = (str(storage.location), *sorted(storage.hashed_files.values()))
        if key not in _found:
            super().add_files_from_manifest()
            _found[key] = (dict(self.files), list(self.directories))
        known, directories = _found[key]
        self.files.update(known)
        self.directories[:] = directories


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """A page is still a page where nothing was collected (tests, a half-done set-up): a file
    without a hashed name is named plainly, in place of an exception inside the error page.
    """

    support_js_module_import_aggregation = True

    def stored_name(self, name: str) -> str:
        try:
            stored: str = super().stored_name(name)
        except ValueError:
            return name
        return stored

    def url_converter(
        self, name: str, hashed_files: dict[str, str], template: str | None = None
    ) -> Callable[[re.Match[str]], str]:
        """Only our own: other scripts have words like `import` in comments, other style sheets name
        maps that are not here."""
        is_foreign_script = name.endswith(".js") and not name.startswith(OUR_MODULES)
        if is_foreign_script or name.startswith(VENDORED):
            return lambda match: match[0]
        convert: Callable[[re.Match[str]], str] = super().url_converter(
            name, hashed_files, template
        )
        return convert
