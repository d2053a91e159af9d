"""A bar on a terminal; in a log one line a source, whatever moves."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med_mat.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def said(stream: io.StringIO, shown: bool, steps: list[int], total: int | None = 3000) -> str:
    """What a bar writes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        with Bar(total, desc="busi", unit="img", shown=shown) as bar:
            for step in steps:
                bar.update(step)
    return stream.getvalue()


@given(st.lists(st.integers(1, 1000), max_size=30))
def test_in_a_log_it_is_one_line(steps: list[int]) -> None:
    assert said(io.StringIO(), True, steps, sum(steps)) == f"busi: {sum(steps):,} img in 0 s\n"


def test_what_broke_off_is_told_with_what_was_to_come() -> None:
    assert said(io.StringIO(), True, [1000]) == "busi: 1,000 of 3,000 img in 0 s\n"
    assert said(io.StringIO(), True, [1000], None) == "busi: 1,000 img in 0 s\n"


def test_on_a_terminal_it_moves() -> None:
    assert said(Terminal(), True, [1000, 2000]).count("\r") > 1


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_where_nothing_is_to_be_shown_nothing_is(stream: io.StringIO) -> None:
    assert said(stream, False, [1, 2]) == ""


def test_bytes_are_counted_anew_with_every_try(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    bar = Bar(desc="x.zip", unit="B", shown=True)
    bar.update(900)
    bar.reset(total=2_000_000)
    bar.update(1_500_000)
    bar.close()
    bar.close()
    assert stream.getvalue() == "x.zip: 1.50MB of 2.00MB in 0 s\n"
