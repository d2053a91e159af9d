"""Turns errors of the Hub and its client into messages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from med_mat.errors import HubError, MedMATError, UnknownSourceError
from med_mat.taxonomy import did_you_mean

_REASONS = {
    401: "the Hub wants to know who asks: log in with 'hf auth login', or set HF_TOKEN",
    403: "your token may not do that: take one that may, or ask for access on the page of the dataset",
    404: "nothing of that name is there, or you may not see it: check the name, or log in with 'hf auth login'",
    413: "it is more than the Hub takes at once",
    429: "the Hub asks for a pause: wait some minutes and run the same command; what arrived is kept",
}
_TROUBLE = "the Hub has trouble: run the same command later; what arrived is kept"


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Turn any error of the Hub's client into a :class:`HubError` about ``what``.

    Only the type of the client's error is shown, not its text, which may contain signed URLs.
    """
    try:
        yield
    except (MedMATError, MemoryError):
        raise
    except Exception as error:  # the client also raises errors of its HTTP library
        if isinstance(error, OSError) and error.filename:  # a file on this machine, not the Hub
            raise
        raise HubError(f"{what}: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    from huggingface_hub.errors import OfflineModeIsEnabled

    chain = list(_chain(error))
    for one in chain:
        status = getattr(getattr(one, "response", None), "status_code", None)
        if isinstance(status, int):
            return f"{_REASONS.get(status, _TROUBLE if status >= 500 else 'the Hub refuses')} (status {status})"
    if any(isinstance(one, OfflineModeIsEnabled) for one in chain):
        return "the Hub is not asked, since HF_HUB_OFFLINE is set, and the cache does not have it"
    if any("Consistency check failed" in str(one) for one in chain):
        return "it arrived incomplete: run the same command again; what arrived is kept"
    if isinstance(error, ValueError):  # the client rejects a name or a response
        return str(error).strip().partition("\n")[0].rstrip(".")
    return f"the Hub cannot be reached ({type(chain[-1]).__name__}): run the same command again; what arrived is kept"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and the chain of its causes."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def check_held(names: Iterable[str], held: Collection[str], holder: object) -> None:
    """Check that all named sources are in a set.

    Args:
        names: the sources asked for.
        held: the sources of the set.
        holder: what contains the set, as the subject of the message.

    Raises:
        UnknownSourceError: a source is not in the set; the message suggests the closest one.
    """
    for name in names:
        if name not in held:
            hint = did_you_mean(name, held)
            raise UnknownSourceError(f"{holder} has no source {name!r}.{hint} It has: {', '.join(held)}.")
