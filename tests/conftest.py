"""Every test run has a data directory of its own, chosen before Django reads its settings."""

from __future__ import annotations

import os
import tempfile

os.environ["MINERVA_DATA_DIR"] = tempfile.mkdtemp(prefix="minerva-test-")
