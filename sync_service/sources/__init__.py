"""Where objects come from; every source speaks to one sink."""
