from __future__ import annotations

import os
import platform

import pytest

from inference.hardware.cpu import cpu_from_text, probe_cpu


def x86(*flags: str, cpus: int = 4, threads_per_core: int = 2) -> str:
    blocks = [
        f"processor\t: {number}\n"
        "model name\t: Intel(R) Xeon(R)   Platinum 8481C\n"
        "physical id\t: 0\n"
        f"core id\t\t: {number // threads_per_core}\n"
        f"flags\t\t: fpu {' '.join(flags)}\n"
        for number in range(cpus)
    ]
    return "\n".join(blocks)


ARM = """processor\t: 0
BogoMIPS\t: 50.00
Features\t: fp asimd evtstrm aes asimddp i8mm

processor\t: 1
BogoMIPS\t: 50.00
Features\t: fp asimd evtstrm aes asimddp
"""
RASPBERRY = (
    "processor\t: 0\nFeatures\t: fp asimd\n\nHardware\t: BCM2835\nModel\t\t: Raspberry Pi 5\n"
)


def test_amx_is_seen_when_the_flags_name_it():
    cpu = cpu_from_text(x86("avx2", "amx_tile", "amx_int8"), usable={0, 1, 2, 3}, quota=None)

    assert cpu.has_amx
    assert cpu.features == ("AVX2", "AMX INT8")


def test_amx_is_not_seen_in_a_processor_without_it():
    cpu = cpu_from_text(x86("avx2", "amx_tile"), usable={0}, quota=None)

    assert not cpu.has_amx


def test_threads_of_one_core_count_as_one_physical_core():
    cpu = cpu_from_text(x86("avx2"), usable={0, 1, 2, 3}, quota=None)

    assert (cpu.physical_cores, cpu.logical_cores, cpu.host_cores) == (2, 4, 4)


def test_only_cpus_of_the_affinity_mask_count():
    cpu = cpu_from_text(x86("avx2"), usable={0, 2}, quota=None)

    assert (cpu.physical_cores, cpu.logical_cores, cpu.host_cores) == (2, 2, 4)


@pytest.mark.parametrize(("quota", "cores"), [(0.5, 1), (1.9, 1), (2.0, 2), (64.0, 4)])
def test_the_quota_of_a_container_bounds_the_cores(quota, cores):
    text = x86("avx2", threads_per_core=1)

    cpu = cpu_from_text(text, usable={0, 1, 2, 3}, quota=quota)

    assert cpu.physical_cores == cpu.logical_cores == cores


def test_only_features_of_every_core_count_when_cores_differ():
    cpu = cpu_from_text(ARM, usable={0, 1}, quota=None)

    assert cpu.features == ("NEON", "NEON dot product")


def test_each_cpu_is_a_core_where_the_kernel_prints_no_core_ids():
    cpu = cpu_from_text(ARM, usable={0, 1}, quota=None)

    assert cpu.physical_cores == 2


def test_the_name_is_found_outside_the_processor_blocks():
    assert cpu_from_text(RASPBERRY, usable={0}, quota=None).name == "Raspberry Pi 5"


def test_an_empty_text_still_describes_one_core():
    cpu = cpu_from_text("", usable={0}, quota=None)

    assert (cpu.name, cpu.physical_cores, cpu.features) == ("unknown processor", 1, ())


def test_this_machine_has_a_name_and_no_more_cores_than_the_system_says():
    cpu = probe_cpu()

    assert cpu.name
    assert cpu.architecture == platform.machine()
    assert 1 <= cpu.physical_cores <= cpu.logical_cores <= (os.cpu_count() or 1)
