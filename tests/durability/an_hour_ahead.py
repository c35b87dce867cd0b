"""Runs a service whose clock is an hour ahead: `python -m tests.durability.an_hour_ahead weft_router`."""

import runpy
import sys
import time

_AHEAD_S = 3600

_seconds, _nanoseconds = time.time, time.time_ns
time.time = lambda: _seconds() + _AHEAD_S
time.time_ns = lambda: _nanoseconds() + _AHEAD_S * 1_000_000_000

_, service, *sys.argv[1:] = sys.argv
runpy.run_module(service, run_name="__main__", alter_sys=True)
