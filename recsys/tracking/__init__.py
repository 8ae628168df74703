"""MLflow as the night's memory for people: it mirrors what the lake holds and is never needed to publish."""

from recsys.tracking.mirror import mirror, replay
from recsys.tracking.reconcile import reconcile

__all__ = ["mirror", "reconcile", "replay"]
