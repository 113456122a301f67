"""The same node, runtime and service as in tests/node."""

from tests.node.conftest import bare_node, node, programs, runtime, service

__all__ = ["bare_node", "node", "programs", "runtime", "service"]
