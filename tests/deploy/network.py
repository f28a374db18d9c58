"""Another network namespace, joined to this one by one cable, for the length of a test."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cells.stock_phoenix import require


@dataclass(frozen=True)
class Namespace:
    """`here` and `there` are the two ends' addresses; `prefix` runs a command there."""

    name: str
    here: str
    there: str

    @property
    def prefix(self) -> list[str]:
        return ["ip", "netns", "exec", self.name]


@contextmanager
def namespace(hosts: Mapping[str, str]) -> Iterator[Namespace]:
    """`hosts` names, for those who run there, which end (`here`, `there`) a host name means."""
    require(os.geteuid() == 0, "root (for a network namespace)")
    require(shutil.which("ip"), "`ip` of iproute2")
    number = os.getpid() % 16000
    base = f"10.{213 + number // 8000}.{number // 64 % 125}.{number % 64 * 4}"
    octets, last = base.rsplit(".", 1)
    made = Namespace(
        f"roost-{os.getpid()}", f"{octets}.{int(last) + 1}", f"{octets}.{int(last) + 2}"
    )
    names = Path("/etc/netns") / made.name
    try:
        _lay_cable(made, f"rst{os.getpid()}")
        names.mkdir(parents=True)
        ends = {"here": made.here, "there": made.there}
        known = [f"{ends[end]} {host}\n" for host, end in hosts.items()]
        (names / "hosts").write_text("".join(["127.0.0.1 localhost\n", *known]))
        yield made
    finally:
        shutil.rmtree(names, ignore_errors=True)
        subprocess.run(["ip", "netns", "delete", made.name], check=False, capture_output=True)


def _lay_cable(made: Namespace, cable: str) -> None:
    """Deleting the namespace takes both ends of the cable with it."""
    for command in (
        f"netns add {made.name}",
        f"link add {cable}h type veth peer name {cable}t netns {made.name}",
        f"address add {made.here}/30 dev {cable}h",
        f"link set {cable}h up",
        f"-n {made.name} address add {made.there}/30 dev {cable}t",
        f"-n {made.name} link set {cable}t up",
        f"-n {made.name} link set lo up",
    ):
        done = subprocess.run(["ip", *command.split()], check=False, capture_output=True, text=True)
        told = done.stderr.strip()
        require(done.returncode == 0, f"a network namespace (`ip {command}`: {told})")
