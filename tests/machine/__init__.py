"""State machines that run on the fake kernel and on the real one."""
