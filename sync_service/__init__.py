"""The node's daemon and the command line; may import cni_route, never the reverse."""
