"""Where a model is, and why it failed: in words, from what the service says of it."""

from __future__ import annotations

from typing import Any

import pytest

from inference.causes import Cause, cause_of
from inference.errors import ErrorInfo, ModelFileInvalid, ModelLoadFailed, RunnerCrashed
from inference.hardware.cpu import probe_cpu
from inference.hardware.gpu import Cuda, Gpu
from inference.hardware.machine import Machine
from inference.hardware.memory import probe_memory
from inference.types import BreakerState, BreakerStatus, ModelState, ModelStatus, PastFailure
from models_app import placement
from models_app.failures import advice_for, breaker_told


def status_of(**facts: Any) -> ModelStatus:
    return ModelStatus(model_id="m", state=ModelState.READY, **facts)


# -- the badge --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on_gpu", "of", "device", "badge"),
    [
        (33, 33, "CUDA: NVIDIA H", "GPU 33/33"),
        (20, 33, "CUDA: NVIDIA H (20 of 33 layers)", "GPU 20/33 + CPU"),
        (0, 33, "CPU", "CPU"),
        (0, 0, "Metal: M4", "Metal"),
        (0, 0, "", ""),
    ],
)
def test_the_badge_says_where_a_model_is(on_gpu, of, device, badge):
    status = status_of(num_gpu_layers=on_gpu, num_layers=of, device=device)

    assert placement.badge(status) == badge


def test_a_model_of_another_server_is_there_and_lacks_no_gpu():
    status = status_of(engine="Remote server (vLLM)", device="Another server: Attic")

    assert placement.badge(status) == "Another server: Attic"
    assert why(engine=status.engine, device=status.device) == ""


GPU = Gpu(name="NVIDIA H", kind="cuda", memory=8 * 10**9)


def why(
    *, log: str = "", wanted: int = -1, gpus=(GPU,), can_use: bool = True, compiler="", **facts
) -> str:
    cuda = Cuda(compiler, "", gpus, "" if gpus else "the NVIDIA driver lists no GPU")
    machine = Machine(cpu=probe_cpu(), memory=probe_memory(), cuda=cuda, gpus=gpus)
    return placement.why_not_gpu(
        status_of(**{"device": "CPU", **facts}),
        log_tail=log,
        wanted_layers=wanted,
        machine=machine,
        can_use_gpu=can_use,
    )


def test_why_it_is_not_on_the_gpu_is_said_by_what_is_known():
    too_old = "CUDA driver version is insufficient for CUDA runtime version"
    log = f"ggml_cuda_init: failed to initialize CUDA: {too_old}\nload: done"

    assert why(wanted=0) == "its settings put no layers on the GPU"
    assert why(log=log) == too_old
    assert why(fallback="Runs on the CPU.") == "it could not be loaded on the GPU"
    assert why(gpus=()) == "no GPU was found"
    assert why(gpus=(), compiler="/nvcc") == "the NVIDIA driver lists no GPU"
    assert why(can_use=False) == "llama.cpp was built without NVIDIA H"
    assert why() == "llama.cpp found no GPU"


def test_a_model_on_the_gpu_or_unloaded_needs_no_excuse():
    assert why(num_gpu_layers=1, num_layers=33) == ""
    assert why(device="") == ""


# -- failures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ModelFileInvalid("It is cut.").info, Cause.BAD_FILE),
        (ModelLoadFailed("No room.", needed_bytes=9, free_bytes=1).info, Cause.OUT_OF_MEMORY),
        (ModelLoadFailed("Killed.", exit_code=-9).info, Cause.OUT_OF_MEMORY),
        (RunnerCrashed("It crashed.", exit_code=-11, log_tail="").info, Cause.CRASH),
        (
            RunnerCrashed("It ended.", exit_code=1, log_tail="std::bad_alloc").info,
            Cause.OUT_OF_MEMORY,
        ),
        (
            ModelLoadFailed(
                "It ended.",
                exit_code=1,
                log_tail="libcudart.so.12: cannot open shared object file",
            ).info,
            Cause.MISSING_LIBRARY,
        ),
        (ModelLoadFailed("Its runner knew.", cause="unsupported").info, Cause.UNSUPPORTED),
        (ModelLoadFailed("Nobody knows.", cause="the moon").info, Cause.OTHER),
        (ErrorInfo("a_code_of_tomorrow", "What?"), Cause.OTHER),
    ],
)
def test_each_failure_has_a_cause_and_a_next_step(error, cause):
    assert cause_of(error) is cause
    assert advice_for(error).next_step


def test_failures_are_told_and_what_was_made_of_them():
    failures = tuple(PastFailure(at, "No.") for at in (1.0, 2.0, 3.0, 4.0))

    def told(**facts: Any) -> str:
        return breaker_told(BreakerStatus(**facts), now=1000.0)

    assert told() == ""
    assert "One failure within the last minute" in told(num_failures=1)
    assert "left alone for a minute" in told(num_failures=3)
    is_open = told(state=BreakerState.OPEN, until=1043.2, failures=failures)
    assert "after 4 failures" in is_open
    assert "for another 43 s" in is_open
    assert "The next request is a trial" in told(state=BreakerState.HALF_OPEN, failures=failures)
