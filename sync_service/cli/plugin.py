"""`cni-route install-plugin DIR`: the CNI plugin's executables into the runtime's folder."""

from __future__ import annotations

import os

import click

from sync_service.cli.common import SOCKET_NAME, Failure, run_dir_option


@click.command("install-plugin")
@click.argument("folder", metavar="DIR", type=click.Path())
@run_dir_option
@click.option(
    "--state-dir",
    envvar="CNI_ROUTE_STATE_DIR",
    default="/var/lib/cni-route",
    show_default=True,
    metavar="DIR",
    help="Where the service keeps its snapshot, for when it does not answer.",
)
def install_plugin(folder: str, run_dir: str, state_dir: str) -> None:
    """Write the CNI plugin into DIR, the folder where the runtime looks for plugins.

    That are `cni-route`, which hands each call over to the service, and `cni-route-alone`, which
    does the work where the service does not answer. Both are run by the Python that runs this
    command. Running it again replaces what differs; pods being made meanwhile do not notice.
    """
    from cni_route.cni.install import InstallError, install  # noqa: PLC0415 - not for --help

    socket = os.path.join(os.path.abspath(run_dir), SOCKET_NAME)
    try:
        paths = install(folder, socket=socket, state_dir=os.path.abspath(state_dir))
    except InstallError as error:
        raise Failure(str(error)) from None
    for path in paths:
        click.echo(path)
