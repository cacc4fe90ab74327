from __future__ import annotations

import pytest

from inference.hardware.cgroup import cpu_quota, memory_headroom, memory_limit


@pytest.fixture
def places(tmp_path):
    """The two places the kernel shows groups at, with this process in /app/web."""
    membership = tmp_path / "membership"
    membership.write_text("0::/app/web\n")
    (tmp_path / "fs" / "app" / "web").mkdir(parents=True)
    return {"root": tmp_path / "fs", "membership": membership}


def test_there_is_no_limit_when_the_group_sets_none(places):
    (places["root"] / "app" / "web" / "cpu.max").write_text("max 100000\n")
    (places["root"] / "app" / "web" / "memory.max").write_text("max\n")

    assert cpu_quota(**places) is None
    assert memory_limit(**places) is None
    assert memory_headroom(**places) is None


def test_the_quota_is_a_number_of_processors(places):
    (places["root"] / "app" / "web" / "cpu.max").write_text("150000 100000\n")

    assert cpu_quota(**places) == 1.5


def test_the_lowest_limit_counts_when_a_group_above_is_tighter(places):
    (places["root"] / "app" / "web" / "cpu.max").write_text("400000 100000\n")
    (places["root"] / "app" / "cpu.max").write_text("200000 100000\n")
    (places["root"] / "app" / "web" / "memory.max").write_text("8000\n")
    (places["root"] / "app" / "memory.max").write_text("5000\n")

    assert cpu_quota(**places) == 2.0
    assert memory_limit(**places) == 5000


def test_file_cache_counts_as_left_when_memory_is_used(places):
    group = places["root"] / "app" / "web"
    (group / "memory.max").write_text("1000\n")
    (group / "memory.current").write_text("700\n")
    (group / "memory.stat").write_text("anon 400\ninactive_file 300\n")

    assert memory_headroom(**places) == 600


def test_a_container_sees_its_own_limit_at_the_root(places):
    places["membership"].write_text("0::/\n")
    (places["root"] / "memory.max").write_text("4096\n")

    assert memory_limit(**places) == 4096


def test_version_1_is_read_where_a_system_still_has_it(places):
    places["membership"].write_text("5:cpu,cpuacct:/job\n9:memory:/job\n")
    cpu, memory = places["root"] / "cpu,cpuacct" / "job", places["root"] / "memory" / "job"
    cpu.mkdir(parents=True)
    memory.mkdir(parents=True)
    (cpu / "cpu.cfs_quota_us").write_text("50000\n")
    (cpu / "cpu.cfs_period_us").write_text("100000\n")
    (memory / "memory.limit_in_bytes").write_text("2048\n")
    (memory.parent / "memory.limit_in_bytes").write_text("9223372036854771712\n")

    assert cpu_quota(**places) == 0.5
    assert memory_limit(**places) == 2048


def test_the_huge_number_of_version_1_is_no_limit(places):
    places["membership"].write_text("9:memory:/\n")
    (places["root"] / "memory").mkdir()
    (places["root"] / "memory" / "memory.limit_in_bytes").write_text("9223372036854771712\n")

    assert memory_limit(**places) is None


def test_a_system_without_groups_has_no_limit(tmp_path):
    nowhere = {"root": tmp_path / "none", "membership": tmp_path / "none"}

    assert cpu_quota(**nowhere) is None
    assert memory_limit(**nowhere) is None
