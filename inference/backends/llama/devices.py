"""Where a loaded model really is, asked from the ggml library that llama.cpp runs on."""

from __future__ import annotations

import ctypes
from pathlib import Path

import llama_cpp
from llama_cpp._ctypes_extensions import load_shared_library

GPU, INTEGRATED_GPU = 1, 2


def device_name(offloaded_layers: tuple[int, int]) -> str:
    """ "CPU", or "CUDA: NVIDIA …" with the share of layers that are there if it is not all."""
    num_layers, all_layers = offloaded_layers
    gpu = _first_gpu() if num_layers else None
    if gpu is None:
        return "CPU"
    return gpu if num_layers == all_layers else f"{gpu} ({num_layers} of {all_layers} layers)"


def _first_gpu() -> str | None:
    ggml = _library()
    for index in range(ggml.ggml_backend_dev_count()):
        device = ggml.ggml_backend_dev_get(index)
        if ggml.ggml_backend_dev_type(device) in (GPU, INTEGRATED_GPU):
            kind = (
                ggml.ggml_backend_dev_name(device).decode("utf-8", "replace").rstrip("0123456789")
            )
            model = ggml.ggml_backend_dev_description(device).decode("utf-8", "replace")
            return _named(kind, model)
    return None


def _named(kind: str, model: str) -> str:
    """Metal devices are called "MTL" and are described by the chip's name."""
    return f"{'Metal' if kind in ('MTL', 'Metal') else kind}: {model}"


def _library() -> ctypes.CDLL:
    ggml: ctypes.CDLL = load_shared_library("ggml", Path(llama_cpp.__file__).parent / "lib")
    ggml.ggml_backend_dev_count.restype = ctypes.c_size_t
    ggml.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    for function in (ggml.ggml_backend_dev_name, ggml.ggml_backend_dev_description):
        function.argtypes = [ctypes.c_void_p]
        function.restype = ctypes.c_char_p
    ggml.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    return ggml
