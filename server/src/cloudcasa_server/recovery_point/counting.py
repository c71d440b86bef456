"""How many recovery points a cluster has, as the cluster shows it."""

from __future__ import annotations

from cloudcasa_contract.states import RecoveryPointState

from ..kit.rest import Documents
from ..kit.store import And, Update, eq


async def count_points(points: Documents, cluster_id: str, /) -> None:
    """Show on a cluster how many recovery points can be restored from."""
    ready = And((eq("cluster", cluster_id), eq("state", RecoveryPointState.READY.value)))
    told = None
    while (count := await points.collection.count(ready)) != told:  # of two who tell at once, the later may have counted earlier
        told = count
        await points.store.collection("kubeclusters").update(cluster_id, Update(set={"status.num_recovery_points": count}))
