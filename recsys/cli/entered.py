"""Which contenders a command is about: names asked for, of recsys.toml or of the families."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.config import Contender, Settings
from recsys.errors import UsageError, did_you_mean

ONE_PER_FAMILY = (
    "popularity", "item_neighbours", "user_neighbours", "ease", "als", "lightfm", "factorization_machine", "two_tower",
)  # fmt: skip


def entered(settings: Settings | None, names: str, default: Sequence[str] = ONE_PER_FAMILY) -> dict[str, Contender]:
    """Contenders by name: those asked for (comma separated), else all ticked in recsys.toml, else `default`.

    Every family is a contender of its own name as well. Raises UsageError on a name nobody knows.
    """
    from recsys.models.catalog import FAMILIES

    known = {name: Contender(family=name) for name in FAMILIES} | ({} if settings is None else settings.contenders)
    asked = [name.strip() for name in names.split(",") if name.strip()]
    wanted = asked or (list(default) if settings is None else list(settings.entered()))
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"Unknown contender {name!r}",
                wanted=f"one of {', '.join(sorted(known))}",
                cure=did_you_mean(name, known),
            )
    return {name: known[name] for name in wanted}
