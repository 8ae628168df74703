"""Settings: one recsys.toml plus RECSYS_* environment variables, frozen, unknown keys refused.

`RECSYS_NIGHT__SEED=7` overrides `seed` in `[night]`. Relative paths are relative to the file.
"""

from recsys.config.reading import config_path, load, parse
from recsys.config.sections import (
    PRIMARY,
    Contender,
    Contest,
    Markets,
    NonProducts,
    Shop,
    TableSource,
    Traffic,
    Trial,
)
from recsys.config.settings import Settings

__all__ = [
    "PRIMARY",
    "Contender",
    "Contest",
    "Markets",
    "NonProducts",
    "Settings",
    "Shop",
    "TableSource",
    "Traffic",
    "Trial",
    "config_path",
    "load",
    "parse",
]
