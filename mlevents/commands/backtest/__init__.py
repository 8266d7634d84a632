"""`mlevents backtest`: what rules would have done with the events on record."""
