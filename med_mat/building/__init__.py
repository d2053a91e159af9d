"""From raw folders to a Med-MAT: plan -> chunks -> groups and sides -> index -> card, with a ledger that balances."""

from med_mat.building.run import Forecast, Options, Report, build, find, forecast

__all__ = ["Forecast", "Options", "Report", "build", "find", "forecast"]
