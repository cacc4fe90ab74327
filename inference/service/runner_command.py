"""Which program holds a model: the same for all, by the interpreter that has the model's engine."""

from __future__ import annotations

from pathlib import Path

from inference.causes import Cause
from inference.errors import ModelLoadFailed
from inference.hardware.mlx_install import mlx_problem
from inference.model_files import ModelFormat, format_of
from inference.service.settings import ServiceSettings
from inference.types import ModelSpec


def runner_command(settings: ServiceSettings, spec: ModelSpec) -> tuple[str, ...]:
    """Raises ModelLoadFailed where its engine is not there. May take a moment."""
    if spec.remote is not None or format_of(Path(spec.path)) is ModelFormat.GGUF:
        return settings.runner_command
    if problem := mlx_problem(settings.mlx_python):
        raise ModelLoadFailed(problem, cause=Cause.MISSING_LIBRARY.value)
    return (str(settings.mlx_python), *settings.runner_command[1:])
