"""The engine that reads and aggregates order lines: Polars on this machine, Spark where they outgrow it.

The tables are written once, against what Narwhals offers for lazy frames of either; `[night] engine` says which it is.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import narwhals as nw

from recsys.errors import ConfigError, ServiceError

if TYPE_CHECKING:
    import polars as pl

Engine = Literal["polars", "spark"]
QUIET = {
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}


def gather(frame: Any) -> pl.DataFrame:
    """A lazy (or eager) table of either engine as a Polars table here; raises ServiceError where Spark fails."""
    lazy = nw.from_native(frame).lazy()
    if lazy.implementation.is_polars():  # streaming holds groups, not rows
        table: pl.DataFrame = lazy.to_native().collect(engine="streaming")
        return table
    try:
        table = lazy.collect("polars").to_native()
    except Exception as error:  # whatever the JVM says
        told = (str(error).splitlines() or [""])[0]
        raise ServiceError(
            "Spark", got=f"{type(error).__name__}: {told[:200]}", cure="Its own log says more."
        ) from error
    return table


def missing() -> str:
    """Why Spark cannot be used here; "" when it can."""
    if find_spec("pyspark") is None:
        return "pyspark is not installed: pip install 'recsys[distributed]'"
    java = os.environ.get("JAVA_HOME")
    if not (shutil.which("java") or (java and os.path.exists(f"{java}/bin/java"))):
        return "there is no Java (17 or newer) on the PATH or in JAVA_HOME"
    return ""


def spark_lines(places: Sequence[str]) -> Any:
    """Parquet files as a Spark table; raises ConfigError where Spark is not installed.

    The session is the one that runs already (spark-submit, Connect), else a local one on all cores.
    """
    why = missing()
    if why:
        raise ConfigError('[night] engine = "spark"', got=why, cure='Install it, or set engine = "polars".')
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("recsys")
    for name, value in QUIET.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    return session.read.parquet(*[place.replace("s3://", "s3a://", 1) for place in places])
