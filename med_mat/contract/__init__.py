"""What every source promises, bundled or of a plug-in: its card, its loader, its miniature and the records of these.

:func:`check` runs the whole contract on one source, as ``med-mat check-source`` does. The promises themselves are data
(:data:`PROMISES`), so that a test suite can run each of them on each source.
"""

from med_mat.contract import card, module, reading, records
from med_mat.contract.promise import Outcome, Promise, Subject
from med_mat.contract.run import PROMISES, check, find

__all__ = ["PROMISES", "Outcome", "Promise", "Subject", "card", "check", "find", "module", "reading", "records"]
