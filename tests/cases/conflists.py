"""Configurations that cannot be used, and the sentence that a person reads for each.

What the plugin gets on standard input in an ADD; each is a variation of GOOD.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

GOOD: dict[str, Any] = {"cniVersion": "1.1.0", "name": "net", "type": "cni-route"}
VERSIONS = "0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"
NAME = "it has letters, digits, '_', '.' and '-', a letter or digit first"


class Wrong(NamedTuple):
    """One case: what differs from GOOD (or the whole text), the code and the sentence."""

    stdin: dict[str, Any] | bytes
    code: int
    sentence: str

    @property
    def text(self) -> bytes:
        """Standard input."""
        if isinstance(self.stdin, bytes):
            return self.stdin
        return json.dumps({**GOOD, **self.stdin}).encode()


# Wrong for every verb but VERSION.
NOT_JSON = [
    Wrong(b"", 6, "standard input is empty; it must be the configuration's JSON"),
    Wrong(b" \n", 6, "standard input is empty; it must be the configuration's JSON"),
    Wrong(
        b'{"name": "net"',
        6,
        "standard input is not JSON: Expecting ',' delimiter: line 1 column 15 (char 14)",
    ),
    Wrong(
        b"{'name': 'net'}",
        6,
        "standard input is not JSON: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)",
    ),
    Wrong(b"{} {}", 6, "standard input is not JSON: Extra data: line 1 column 4 (char 3)"),
    Wrong(b"[]", 6, "standard input is a list; it must be a JSON object"),
    Wrong(b"null", 6, "standard input is null; it must be a JSON object"),
    Wrong(b'"net"', 6, "standard input is the string 'net'; it must be a JSON object"),
    Wrong(b"5", 6, "standard input is the number 5; it must be a JSON object"),
    Wrong(b'{"name": "n\xffet"}', 6, "standard input is not UTF-8 (byte 11), so it is not JSON"),
    Wrong(b'{"a": NaN}', 6, "standard input is not JSON: NaN is no JSON value"),
    Wrong(b'{"a": 1e999}', 6, "standard input has a number that is too large"),
    Wrong(b"[" * 100_000, 6, "standard input is nested too deeply to be read"),
]

# Wrong for every verb but VERSION and DEL.
ENVELOPE = [
    Wrong({"cniVersion": 5}, 6, "cniVersion: must be a string, not the number 5"),
    Wrong({"cniVersion": "1.0"}, 1, f"cniVersion: '1.0' is not one of {VERSIONS}"),
    Wrong({"cniVersion": "1.2.0"}, 1, f"cniVersion: '1.2.0' is not one of {VERSIONS}"),
    Wrong({"cniVersion": "v1.0.0"}, 1, f"cniVersion: 'v1.0.0' is not one of {VERSIONS}"),
    Wrong({"name": None}, 7, "name: is missing; it must be the network's name"),
    Wrong({"name": ""}, 7, "name: is missing; it must be the network's name"),
    Wrong({"name": 5}, 6, "name: must be a string, not the number 5"),
    Wrong({"name": "../net"}, 7, f"name: '../net' is not a network's name; {NAME}"),
    Wrong({"name": "-net"}, 7, f"name: '-net' is not a network's name; {NAME}"),
    Wrong({"name": "net\n"}, 7, f"name: 'net\\n' is not a network's name; {NAME}"),
    Wrong({"name": "näme"}, 7, f"name: 'näme' is not a network's name; {NAME}"),
]

# Wrong for ADD and STATUS.
OWN_KEYS = [
    Wrong(
        {"failurePolicy": "ignore"},
        7,
        "failurePolicy: 'ignore' is not a failure policy; did you mean Ignore?",
    ),
    Wrong(
        {"failurePolicy": "Open"},
        7,
        "failurePolicy: 'Open' is not a failure policy; known: Ignore, Fail",
    ),
    Wrong({"failurePolicy": ["Fail"]}, 7, "failurePolicy: must be a string, not a list"),
    Wrong({"timeoutMs": 0}, 7, "timeoutMs: must be from 1 to 240000, not 0"),
    Wrong({"timeoutMs": 86400000}, 7, "timeoutMs: must be from 1 to 240000, not 86400000"),
    Wrong({"timeoutMs": 2.5}, 7, "timeoutMs: must be a whole number, not the number 2.5"),
    Wrong(
        {"timeoutMs": "2000"},
        7,
        "timeoutMs: must be a whole number, not the string '2000'; take the quotes away",
    ),
    Wrong({"socket": "agent.sock"}, 7, "socket: 'agent.sock' is not an absolute path"),
    Wrong({"socket": ""}, 7, "socket: '' is not an absolute path"),
    Wrong({"socket": "/a\0b"}, 7, "socket: '/a\\x00b' is not an absolute path"),
    Wrong(
        {"socket": "/" + "x" * 107},
        7,
        "socket: is longer than the 107 bytes that a socket's path can have",
    ),
    Wrong({"logFile": "plugin.log"}, 7, "logFile: 'plugin.log' is not an absolute path"),
    Wrong({"logFile": False}, 7, "logFile: must be a string, not false; put it in quotes"),
    Wrong({"failurepolicy": 1}, 7, "unknown key 'failurepolicy'; did you mean failurePolicy?"),
    Wrong({"failure_policy": 1}, 7, "unknown key 'failure_policy'; did you mean failurePolicy?"),
    Wrong({"route": []}, 7, "unknown key 'route'; did you mean routes?"),
    Wrong({"rotues": []}, 7, "unknown key 'rotues'; did you mean routes?"),
    Wrong({"timeout": 1}, 7, "unknown key 'timeout'; did you mean timeoutMs?"),
    Wrong({"logfile": "/l"}, 7, "unknown key 'logfile'; did you mean logFile?"),
    Wrong({"routes": 5}, 7, "routes: must be a list, not the number 5; write it as [...]"),
    Wrong(
        {"routes": [{"dst": "10.0.0.1/8", "dev": "eth1"}]},
        7,
        "routes[0].dst: '10.0.0.1/8' has host bits set; did you mean 10.0.0.0/8?",
    ),
    Wrong(
        {"routes": [{"dst": "10.0.0.0/8"}]},
        7,
        "routes[0].dev: is missing; name the pod's NIC, like eth1",
    ),
    Wrong(
        {"routes": [{"dst": "10.0.0.0/8", "dev": "eth1", "gw": "10.0.0.1"}]},
        7,
        "routes[0]: unknown key 'gw'; did you mean via?",
    ),
    Wrong(
        {"routes": [{"namespace": "default", "name": "web", "dev": "eth1"}]},
        7,
        "routes[0]: names a Service; only networks (dst) can stand here",
    ),
    Wrong(
        {"failurePolicy": "Open", "timeoutMs": -1, "rotues": []},
        7,
        "failurePolicy: 'Open' is not a failure policy; known: Ignore, Fail; "
        "timeoutMs: must be from 1 to 240000, not -1; "
        "unknown key 'rotues'; did you mean routes?",
    ),
]

# Wrong for ADD alone.
RESULTS = [
    Wrong({"prevResult": []}, 6, "prevResult: must be a JSON object, not a list"),
    Wrong({"prevResult": "{}"}, 6, "prevResult: must be a JSON object, not the string '{}'"),
]

# Keys that runtimes and Multus add, or that people keep beside ours: never an error.
FOREIGN: dict[str, Any] = {
    "args": {"cni": {}},
    "capabilities": {"portMappings": True},
    "cni.dev/valid-attachments": [],
    "clusterNetwork": "/etc/cni/net.d/10-calico.conflist",
    "disableCheck": True,
    "dns": {},
    "ipam": {},
    "ipMasq": True,
    "kubeconfig": "/etc/cni/net.d/kubeconfig",
    "logLevel": "debug",
    "mtu": 1500,
    "prevResult": None,
    "runtimeConfig": {"portMappings": []},
}
