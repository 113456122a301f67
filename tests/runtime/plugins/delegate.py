"""A CNI plugin that hands its calls on to another one, `to`, which speaks 1.0.0.

It speaks 1.1.0 itself, with STATUS and GC, which Debian's plugins do not know yet; each STATUS
leaves a line in the file `statuses`. An ADD takes `pause` seconds more, as with plugins that wait
for an address.
"""

import json
import os
import subprocess
import sys
import time
from typing import Any

THEIRS = "1.0.0"
VERSIONS = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"]


def hand_on(config: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Call the other one, in the version that it speaks."""
    version = min(config["cniVersion"], THEIRS)
    theirs = {**config, "type": config["to"], "cniVersion": version}
    if "prevResult" in theirs:
        theirs["prevResult"] = {**theirs["prevResult"], "cniVersion": version}
    for folder in os.environ["CNI_PATH"].split(":"):
        program = os.path.join(folder, config["to"])
        if os.path.exists(program):
            text = json.dumps(theirs)
            return subprocess.run(
                [program], input=text, capture_output=True, text=True, check=False
            )
    raise FileNotFoundError(config["to"])


def main() -> int:
    """One call of the CNI specification."""
    verb, text = os.environ.get("CNI_COMMAND", ""), sys.stdin.read()
    if verb == "VERSION":
        print(json.dumps({"cniVersion": "1.1.0", "supportedVersions": VERSIONS}))
        return 0
    config = json.loads(text)
    if verb == "STATUS":
        with open(config["statuses"], "a", encoding="ascii") as out:
            out.write("STATUS\n")
        return 0
    if verb == "GC":
        return 0
    if verb == "ADD":
        time.sleep(config.get("pause", 0))
    done = hand_on(config)
    if done.stdout:
        print(json.dumps({**json.loads(done.stdout), "cniVersion": config["cniVersion"]}))
    sys.stderr.write(done.stderr)
    return done.returncode


sys.exit(main())
