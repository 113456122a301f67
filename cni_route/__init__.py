"""The core of cni-route and its CNI plugin; the standard library only."""
