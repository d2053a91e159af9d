"""From raw folders to a Med-MAT: plan -> shards -> Parquet -> index -> card, with a ledger that balances."""

from med_mat.building.run import Options, Report, build, find

__all__ = ["Options", "Report", "build", "find"]
