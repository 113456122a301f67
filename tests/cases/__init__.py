"""Tables of cases, data only."""
