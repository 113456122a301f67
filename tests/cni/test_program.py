"""The executables themselves: what they import, say, and do without a call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from cni_route.cni import client
from cni_route.cni.frame import Answer
from cni_route.cni.protocol import VERSIONS
from tests.cni.programs import GOOD, Programs
from tests.cni.site import Site
from tests.kernel.namespaces import needs_root

pytestmark = needs_root

SAID = {"cniVersion": "1.1.0", "said": "by the service"}

MODULES = """
import sys
before = set(sys.modules)
sys.argv[0] = {path!r}
names = {{"__name__": "cni_route_client"}}
exec(compile(open({source!r}).read(), "client", "exec"), names)
code = names["main"]()
print(*sorted(set(sys.modules) - before), file=sys.stderr)
sys.exit(code)
"""


def test_the_fast_path_imports_next_to_nothing(programs: Programs) -> None:
    """Each module more is felt in every ADD of the node."""
    source = client.__file__
    assert source is not None
    script = MODULES.format(path=str(programs.folder / "cni-route"), source=source)
    script = script.replace("code = ", f"names['SOCKET'] = {str(programs.socket)!r}\ncode = ")
    with programs.service(lambda *_: Answer(0, json.dumps(SAID).encode())):
        done = subprocess.run(
            [os.path.realpath(sys.executable), "-I", "-S", "-c", script],
            input=json.dumps(
                {**GOOD, "socket": str(programs.socket), "timeoutMs": 20_000}
            ).encode(),
            env={"CNI_COMMAND": "ADD"},
            capture_output=True,
            check=True,
        )
    assert json.loads(done.stdout) == SAID
    assert done.stderr.decode().split() == ["_socket"]


@pytest.mark.parametrize("program", ["cni-route", "cni-route-alone"])
def test_run_by_hand_it_says_what_it_is(programs: Programs, program: str) -> None:
    """Without a command, and without waiting for standard input."""
    read, write = os.pipe()
    try:
        for environment in ({}, {"CNI_COMMAND": ""}):
            done = subprocess.run(
                [programs.folder / program],
                env=environment,
                stdin=read,
                capture_output=True,
                timeout=20,
                check=False,
            )
            assert (done.returncode, done.stdout) == (0, b"")
            assert done.stderr.decode() == (
                f"cni-route: a CNI plugin; CNI versions {', '.join(VERSIONS)}; "
                "CNI_COMMAND says what to do\n"
            )
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.parametrize("program", ["cni-route", "cni-route-alone"])
@pytest.mark.parametrize("verb", ["ADD", "DEL", "STATUS"])
def test_standard_input_that_cannot_be_read(programs: Programs, program: str, verb: str) -> None:
    unreadable = os.open(os.devnull, os.O_WRONLY)
    environment = {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": "c",
        "CNI_IFNAME": "e",
        "CNI_NETNS": "/x",
    }
    done = subprocess.run(
        [programs.folder / program],
        stdin=unreadable,
        env=environment,
        capture_output=True,
        check=False,
    )
    os.close(unreadable)
    assert (done.returncode, done.stderr) == (1, b"")
    assert json.loads(done.stdout) == {
        "cniVersion": "1.1.0",
        "code": 5,
        "msg": "standard input cannot be read: Bad file descriptor",
    }


def test_the_same_call_has_the_same_answer_alone(programs: Programs, site: Site) -> None:
    """One code: in the service, and in the archive."""
    for verb in ("ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"):
        for stdin in ({"name": 5}, {"routes": 5}, {"cniVersion": "2"}, {"failurePolicy": "Fail"}):
            body: dict[str, Any] = {**GOOD, **stdin}
            if verb in ("ADD", "CHECK"):
                body["name"] = ""
            text = json.dumps(body).encode()
            done = programs.run(verb, text, "cni-route-alone")
            site.context = {
                "not_ready": "the service does not answer, and there is no snapshot "
                f"{programs.state_dir}/snapshot.json"
            }
            answer = site.call(verb, text)
            assert (done.returncode, done.stdout) == tuple(answer)
