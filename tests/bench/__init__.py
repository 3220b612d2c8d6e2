"""Benchmarks: ``make bench``. They print figures beside their targets and fail nothing by themselves."""
