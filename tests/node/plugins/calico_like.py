"""A CNI plugin that wires eth0 as Calico does; addresses come from an IPAM plugin.

In the pod: /32 and /128 addresses, `169.254.1.1 dev eth0 scope link` and the default through it
(the node answers ARP for it); for IPv6 the default through the node side's link-local address,
which is the same for all pods because they all have the MAC address ee:ee:ee:ee:ee:ee. On the
node: one veth a pod, without an address, and a host route to each pod address. The result is in
the form that Calico gives: no gateway, and a route whose destination has host bits set.
"""

import hashlib
import json
import os
import subprocess
import sys
from typing import Any, NoReturn

Config = dict[str, Any]
GATEWAY4 = "169.254.1.1"
GATEWAY6 = "fe80::ecee:eeff:feee:eeee"
NODE_MAC = "ee:ee:ee:ee:ee:ee"
VERSIONS = ["0.3.0", "0.3.1", "0.4.0", "1.0.0"]


def fail(code: int, message: str) -> NoReturn:
    """Answer an error as the CNI specification has it."""
    print(json.dumps({"cniVersion": "0.3.1", "code": code, "msg": message}))
    sys.exit(1)


def command(words: list[str], text: str = "") -> str:
    """Run a program; its failure is ours."""
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        fail(999, f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout


def ipam(config: Config, text: str) -> str:
    """Hand the call on to the IPAM plugin, as plugins do: same environment, same input."""
    for folder in os.environ["CNI_PATH"].split(":"):
        program = os.path.join(folder, config["ipam"]["type"])
        if os.path.exists(program):
            return command([program], text)
    fail(7, f"no IPAM plugin {config['ipam']['type']!r}")


def host_device() -> str:
    """The node's side of the veth: a name that follows from the container's id."""
    digest = hashlib.sha1(os.environ["CNI_CONTAINERID"].encode()).hexdigest()
    return f"cali{digest[:11]}"


def in_pod(lines: list[str]) -> None:
    """Run lines of `ip` in the pod."""
    words = ["nsenter", f"--net={os.environ['CNI_NETNS']}", "ip", "-batch", "-"]
    command(words, "\n".join(lines) + "\n")


def sysctl(name: str, value: str) -> None:
    """Set a sysctl of the node."""
    with open(f"/proc/sys/net/{name}", "w", encoding="ascii") as out:
        out.write(value)


def add(config: Config, text: str) -> Config:
    """ADD: addresses, the pair of NICs, the routes on both sides."""
    device, node_side, netns = os.environ["CNI_IFNAME"], host_device(), os.environ["CNI_NETNS"]
    leased = [entry["address"] for entry in json.loads(ipam(config, text))["ips"]]
    addresses = [address.partition("/")[0] for address in leased]
    four = [a for a in addresses if ":" not in a]
    six = [a for a in addresses if ":" in a]
    lines = [f"link add {node_side} type veth peer name {device} netns {netns}"]
    lines += [f"link set {node_side} address {NODE_MAC} up"]
    command(["ip", "-batch", "-"], "\n".join(lines) + "\n")
    sysctl(f"ipv4/conf/{node_side}/proxy_arp", "1")
    sysctl(f"ipv4/neigh/{node_side}/proxy_delay", "0")
    pod = [f"link set {device} up"]
    pod += [f"address add {a}/32 dev {device}" for a in four]
    pod += [f"address add {a}/128 dev {device} nodad" for a in six]
    if four:
        pod += [f"route add {GATEWAY4} dev {device} scope link"]
        pod += [f"route add default via {GATEWAY4} dev {device}"]
    if six:
        pod += [f"route add default via {GATEWAY6} dev {device}"]
    in_pod(pod)
    node = [f"route add {a}/32 dev {node_side} scope link" for a in four]
    node += [f"route add {a}/128 dev {node_side}" for a in six]
    command(["ip", "-batch", "-"], "\n".join(node) + "\n")
    return result(config["cniVersion"], leased, [node_side, device])


def result(version: str, leased: list[str], names: list[str]) -> Config:
    """The result, as Calico forms it."""
    ips = []
    for entry in leased:
        address = entry.partition("/")[0]
        family = "6" if ":" in address else "4"
        ip: Config = {"interface": 1, "address": f"{address}/{'128' if family == '6' else '32'}"}
        if version.startswith("0."):
            ip["version"] = family
        ips.append(ip)
    return {
        "cniVersion": version,
        "interfaces": [{"name": names[0]}, {"name": names[1], "sandbox": os.environ["CNI_NETNS"]}],
        "ips": ips,
        "routes": [{"dst": entry} for entry in leased if ":" not in entry],
        "dns": {},
    }


def delete(config: Config, text: str) -> None:
    """DEL: the lease and the pair of NICs; what is gone already is fine."""
    ipam(config, text)
    subprocess.run(["ip", "link", "del", host_device()], capture_output=True, check=False)


def main() -> None:
    """One call of the CNI specification."""
    verb = os.environ.get("CNI_COMMAND", "")
    text = sys.stdin.read()
    if verb == "VERSION":
        print(json.dumps({"cniVersion": "1.0.0", "supportedVersions": VERSIONS}))
        return
    config = json.loads(text)
    if config.get("cniVersion") not in VERSIONS:
        fail(1, f"cniVersion {config.get('cniVersion')!r} is not supported")
    if verb == "ADD":
        print(json.dumps(add(config, text)))
    elif verb == "DEL":
        delete(config, text)
    elif verb == "CHECK":
        in_pod([f"link show {os.environ['CNI_IFNAME']}"])
    else:
        fail(4, f"CNI_COMMAND {verb!r} is not known")


main()
