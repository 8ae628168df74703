"""Generations: the one authority on who is champion and what is served.

`generations/gen-000007/` is an immutable entry of a sequence. Its number is claimed first (`claim.json`: whoever
creates it has the right to write there: the compare-and-set), its files follow, its manifest comes last: an entry
without a manifest does not exist for readers. CURRENT names the entry being served. A rollback is an entry too: it
holds no files, it says which earlier generation is served again.
"""

from recsys.publication.change import needed, promote, publish, release, rollback
from recsys.publication.check import damaged, doctor, mark_tidied, tidied
from recsys.publication.sequence import (
    FOLDER,
    Entry,
    Standing,
    current,
    entries,
    read_file,
    read_table,
    standing,
    standing_of,
)

__all__ = [
    "FOLDER",
    "Entry",
    "Standing",
    "current",
    "damaged",
    "doctor",
    "entries",
    "mark_tidied",
    "needed",
    "promote",
    "publish",
    "read_file",
    "read_table",
    "release",
    "rollback",
    "standing",
    "standing_of",
    "tidied",
]
