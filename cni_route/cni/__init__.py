"""The CNI plugin: frames, protocol, verbs and the fast path."""
