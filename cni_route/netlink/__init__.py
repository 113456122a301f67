"""The netlink room: the only place that knows bytes."""
