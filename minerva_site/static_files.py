"""How static files are named: by their content, ES modules included, so browsers keep them for good."""

from __future__ import annotations

import re
from collections.abc import Callable

from servestatic.storage import CompressedManifestStaticFilesStorage

OUR_MODULES = "js/"
VENDORED = "vendor/"


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
