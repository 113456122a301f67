"""A rival that takes our route whenever we have it, and never tires."""

from __future__ import annotations

import threading

from cni_route.model import Hop, Operation
from tests.hostile.crowd import PATIENCE, Crowd
from tests.node.node import until
from tests.node.service import Service

NETWORK = "172.16.0.0/16"
LOOPBACK = 1  # its index in every namespace
STATIC = 4  # RTPROT_STATIC


def test_a_rival_is_left_alone_for_a_while_and_named(crowd: Crowd, service: Service) -> None:
    """The service does not fight: five times, then it waits, and says who it is."""
    pod = crowd.make(0)
    assert crowd.call("ADD", pod).exit_code == 0
    stop, taken = threading.Event(), [0]

    def rival() -> None:
        while not stop.wait(0.02):
            for route in crowd.dump(0):
                if str(route.key.dst) == NETWORK and route.protocol == 114:
                    # elsewhere: the same route of another would do, and be left alone
                    theirs = route._replace(protocol=STATIC, hops=(Hop(LOOPBACK),))
                    crowd.apply(0, Operation("replace", theirs))
                    taken[0] += 1

    thread = threading.Thread(target=rival)
    thread.start()
    try:
        until(lambda: "static (4)" in why(crowd), "the rival is named", PATIENCE)
        assert 3 <= taken[0] <= 8
    finally:
        stop.set()
        thread.join()
    until(lambda: crowd.own(0) == {NETWORK}, "the route comes back once it is left to us", PATIENCE)
    assert crowd.call("DEL", pod) == (0, b"")
    assert "Traceback" not in service.log()


def why(crowd: Crowd) -> str:
    """What `cni-route pods` says of the only pod."""
    (item,) = crowd.ask("pods")["items"]
    return str(item["why"])
