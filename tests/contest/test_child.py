"""The child measures itself."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest

from recsys.contest import child


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's own high-water mark")
def test_where_the_system_tells_no_high_water_mark_the_kernels_count_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    own = child.peak_memory_mb()
    assert 20 < own < 100_000
    monkeypatch.setattr(Path, "exists", lambda _: False)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    assert child.peak_memory_mb() == resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
