"""Rates that the operator typed, or keeps in a file."""

from gpn_desktop.adapters.fiat.rates import OwnRates

__all__ = ["OwnRates"]
