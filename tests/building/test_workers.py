"""The processes of a build: as many as help, and no more than there is work for."""

from __future__ import annotations

import os
from contextlib import closing

import joblib
import pytest

from med_mat.building.workers import enough, parallel


def process(number: int) -> tuple[int, int]:
    return number, os.getpid()


def test_a_thousand_processes_are_not_started_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    most = 2 * joblib.cpu_count()
    assert enough(1000) == most
    assert f"1000 processes were asked for; {most} are started" in caplog.text
    caplog.clear()
    assert [enough(jobs) for jobs in (None, -1, 1, most)] == [None, -1, 1, most]
    assert caplog.text == ""


@pytest.mark.parametrize("calls", [0, 1, 2, 7])
def test_there_are_no_more_workers_than_calls(calls: int) -> None:
    with closing(parallel(process, ((number,) for number in range(calls)), 4)) as found:
        results = list(found)
    assert sorted(number for number, _ in results) == list(range(calls))
    assert len({pid for _, pid in results}) <= max(1, min(calls, 4))
    assert calls != 1 or results == [(0, os.getpid())], "one call needs no process of its own"
