"""A chained CNI plugin that puts routes in some time after the NIC came up, as real ones do.

Between a NIC's address and its routes lie duplicate address detection, a DHCP lease, an agent that
is asked. `routes` are lines for `ip route add`, which fails where the key is taken; `pause` is in
seconds. The result is the one of the plugins before.
"""

import json
import os
import subprocess
import sys
import time


def main() -> None:
    """One call of the CNI specification."""
    verb = os.environ.get("CNI_COMMAND", "")
    if verb == "VERSION":
        print(json.dumps({"cniVersion": "1.0.0", "supportedVersions": ["0.4.0", "1.0.0"]}))
        return
    config = json.loads(sys.stdin.read())
    if verb != "ADD":
        return
    time.sleep(config["pause"])
    words = ["nsenter", f"--net={os.environ['CNI_NETNS']}", "ip", "-batch", "-"]
    lines = "".join(f"route add {route}\n" for route in config["routes"])
    done = subprocess.run(words, input=lines, capture_output=True, text=True, check=False)
    if done.returncode:
        print(json.dumps({"cniVersion": "1.0.0", "code": 999, "msg": done.stderr}))
        sys.exit(1)
    print(json.dumps(config["prevResult"]))


main()
