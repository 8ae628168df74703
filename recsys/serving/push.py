"""A generation's lists in a table of the shop's own database: for shops whose pages read SQL."""

from __future__ import annotations

from typing import Any

from recsys import publication
from recsys.config import Settings
from recsys.data.lake import Lake
from recsys.errors import RecsysError, ServiceError, StoreError

BATCH = 5000


def push_lists(lake: Lake, generation: str, url: str, table: str) -> int:
    """Replace the table's rows by the lists of `generation`, in one transaction; returns how many rows it holds.

    url: SQLAlchemy's. Columns: arm, customer, place (1 is shown first), product, generation, as_of. A reader sees the
    old lists or the new ones. Raises StoreError for an unknown generation, ServiceError when the database refuses.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    entry = next((e for e in publication.entries(lake) if e.name == generation and e.kind == "publish"), None)
    if entry is None:
        raise StoreError(f"There is no generation {generation}", wanted="one that was published")
    rows = _rows(lake, entry)
    try:
        engine = create_engine(url)
        try:
            with engine.begin() as connection:
                _replace(connection, table, rows)
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError) as error:  # its text may carry the password
        raise ServiceError(
            "The lists were not pushed to the shop's database",
            got=type(error).__name__,
            cure="Check [publishing] push_url; the table holds what it held before.",
        ) from None
    return len(rows)


def follow(settings: Settings, lake: Lake, generation: str) -> int:
    """After a rollback: a shop that reads SQL gets the lists that are served again; 0 where there is none.

    Raises ServiceError when only the lake was rolled back.
    """
    told = settings.publishing
    if not told.push_url:
        return 0
    try:
        return push_lists(lake, generation, told.push_url, told.push_table)
    except RecsysError as error:
        raise ServiceError(
            f"{generation} is served again, but not from the shop's database",
            got=str(error),
            cure="Trigger the DAG after_champion: it pushes what is served.",
        ) from error


def _rows(lake: Lake, entry: publication.Entry) -> list[dict[str, Any]]:
    import polars as pl

    lists = publication.read_table(lake, entry, "lists.parquet")
    kept = lists.select("arm", "customer", pl.col("rank").alias("place"), "product")
    told = {"generation": entry.name, "as_of": str(entry.manifest["as_of"])}
    return [{**row, **told} for row in kept.iter_rows(named=True)]


def _replace(connection: Any, table: str, rows: list[dict[str, Any]]) -> None:
    from sqlalchemy import Column, Integer, MetaData, String, Table, delete, insert

    meta = MetaData()
    keys = [Column("arm", String(64), primary_key=True), Column("customer", String(255), primary_key=True)]
    place = Column("place", Integer, primary_key=True, autoincrement=False)
    texts = [Column("product", String(255)), Column("generation", String(16)), Column("as_of", String(10))]
    lists = Table(table, meta, *keys, place, *texts)
    meta.create_all(connection)
    connection.execute(delete(lists))
    for at in range(0, len(rows), BATCH):
        connection.execute(insert(lists), rows[at : at + BATCH])
