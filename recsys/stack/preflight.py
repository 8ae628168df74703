"""What this machine must have before anything is installed or started, one sentence per finding.

Standard library only: `python3 -m recsys.stack.preflight` runs before the environment exists.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import socket
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PYTHONS = ((3, 11), (3, 13))
INSTALL_GB = {"cpu": 3.5, "gpu": 8.0}  # what .venv takes, with room for pip's own temporary files
RUN_GB = 1.0
MEMORY_GB = 4.0
PORTS = {"airflow": 8080, "mlflow": 5000}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `blocks` says that the demo cannot go on without a cure."""

    what: str
    ok: bool
    sentence: str
    blocks: bool = False


def look(folder: Path, torch: str = "", ports: dict[str, int] | None = None) -> list[Finding]:
    """Everything the demo needs; `torch` is "cpu" or "gpu" when an installation comes first, else empty."""
    needed = INSTALL_GB[torch] + RUN_GB if torch else RUN_GB
    findings = [system(), python(), disk(folder, needed), memory()]
    if torch:
        findings += [compiler(), headers()]
    return findings + [port(name, number) for name, number in (PORTS if ports is None else ports).items()]


def system() -> Finding:
    ok = platform.system() in ("Linux", "Darwin")
    return Finding("system", ok, f"{platform.system()}" + ("" if ok else ": use WSL, Airflow needs it."), blocks=not ok)


def python() -> Finding:
    low, high = PYTHONS
    ok = low <= sys.version_info[:2] <= high
    text = f"Python {platform.python_version()}"
    return Finding("python", ok, text if ok else f"{text}: install Python 3.11, 3.12 or 3.13.", blocks=not ok)


def compiler() -> Finding:
    found = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    cure = "no C compiler: `sudo apt install build-essential` (macOS: `xcode-select --install`); LightFM is compiled."
    return Finding("compiler", bool(found), f"compiler {found}" if found else cure, blocks=not found)


def headers() -> Finding:
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    ok = header.exists()
    cure = f"no {header}: `sudo apt install python3-dev` (of this Python's version); LightFM is compiled against it."
    return Finding("headers", ok, "Python headers" if ok else cure, blocks=not ok)


def disk(folder: Path, needed_gb: float) -> Finding:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free / 2**30
    ok = free >= needed_gb
    text = f"{free:.0f} GB free on {there}"
    return Finding("disk", ok, text if ok else f"{text}, {needed_gb:.0f} GB are needed: free some.", blocks=not ok)


def memory() -> Finding:
    available = _available_gb()
    if available is None:
        return Finding("memory", True, "memory unknown")
    ok = available >= MEMORY_GB
    text = f"{available:.1f} GB of memory available"
    return Finding("memory", ok, text if ok else f"{text}; the demo takes up to {MEMORY_GB:.0f} GB: close something.")


def _available_gb() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 2**20 for line in lines if line.startswith("MemAvailable:")), None)


def port(name: str, number: int) -> Finding:
    if is_free(number):
        return Finding(f"port {number}", True, f"port {number} free for {name}")
    return Finding(f"port {number}", False, f"port {number} is taken; {name} will use the next free one.")


def is_free(number: int) -> bool:
    """Can a server listen on this loopback port?"""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
        return True


def forwarding(ports: dict[str, int], environ: Mapping[str, str]) -> str:
    """How a browser elsewhere reaches the loopback ports of this machine; "" where there is a screen here."""
    screen = environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY") or platform.system() == "Darwin"
    if screen and not environ.get("SSH_CONNECTION"):
        return ""
    given = environ.get("SSH_CONNECTION", "").split()
    there = given[2] if len(given) == 4 else "THIS-MACHINE"
    asked = " ".join(f"-L {number}:127.0.0.1:{number}" for number in ports.values())
    return f"No browser here: run `ssh {asked} {there}` where you have one and open these addresses there."


def free_port(wanted: int, taken: tuple[int, ...] = ()) -> int:
    """`wanted`, or the first free port after it."""
    candidates = (number for number in range(wanted, wanted + 200) if number not in taken)
    return next(number for number in candidates if is_free(number))


def main() -> int:
    """Print what is missing; exit status 1 when something blocks."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--torch", choices=["", "cpu", "gpu"], default="", help="an installation comes first")
    ask.add_argument("--folder", type=Path, default=Path.cwd())
    chosen = ask.parse_args()
    findings = look(chosen.folder, chosen.torch)
    for finding in findings:
        if not finding.ok:
            print(f"{'Missing' if finding.blocks else 'Note'}: {finding.sentence}", file=sys.stderr)
    return int(any(finding.blocks for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
