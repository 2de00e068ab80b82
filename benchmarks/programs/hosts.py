"""Several hosts on one machine: network namespaces of Linux, with links of a limited rate.

    with Hosts(2, gbit=1) as hosts:
        subprocess.run(hosts.line(["mpiexec", *hosts.options, "-n", "2", ...]))

    host0 --eth0 10.0.0.1-- port0 |        |
                                  | switch |        each of these three is a namespace
    host1 --eth0 10.0.0.2-- port1 |        |

A host has a name, an address and an interface of its own, and nothing else; processors, memory and
files are the machine's. Both ends of a link send at most so many bits a second, by a token bucket
(tc-tbf(8)); packets are delayed by nothing but the waiting in its queue.

A namespace lives as long as a process in it, here a shell that reads from a pipe of this process.
When this process ends, in whatever way, the shells end, and with them namespaces and links.

mpiexec starts its daemon on another host by ssh; here a script of a few lines stands in its place,
which enters the namespace.
"""

import os
import subprocess
import tempfile
from pathlib import Path

BURST, LATENCY = "256kb", "50ms"  # of a token bucket: bytes sent at once, the longest wait in it


class HostsError(RuntimeError):
    """Namespaces that cannot be made; the message says what failed."""


class Hosts:
    """Hosts host0, host1, ... that end with the with block.

    count    how many
    gbit     rate of each link, Gbit/s in each direction
    options  mpiexec's: on which hosts, one rank each, and by TCP over their links
    Raises HostsError where they cannot be made: it takes Linux, root, iproute2 (ip, tc) and
    util-linux (unshare, nsenter).
    """

    def __init__(self, count: int, gbit: float):
        self.count, self.gbit = count, gbit
        self._shells = []
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self):
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        for shell in self._shells:
            shell.stdin.close()
        for shell in self._shells:
            shell.wait()
            shell.stdout.close()
        self._folder.cleanup()

    def line(self, command: list[str]) -> list[str]:
        """The command as it runs on host0."""
        return [*_entering(self._hosts[0].pid), *command]

    def _make(self):
        if os.geteuid() != 0:
            raise HostsError("only root can make network namespaces")
        switch = self._namespace("switch")
        self._run(switch, "ip link add switch type bridge")
        self._run(switch, "ip link set switch up")
        self._hosts = [self._namespace(f"host{number}") for number in range(self.count)]
        rate = f"tbf rate {round(self.gbit * 1e6)}kbit burst {BURST} latency {LATENCY}"
        for number, host in enumerate(self._hosts):
            port, address = f"port{number}", _address(number)
            peer = f"peer name eth0 netns {host.pid}"
            self._run(switch, f"ip link add {port} type veth {peer}")
            self._run(switch, f"tc qdisc add dev {port} root {rate}")
            self._run(switch, f"ip link set {port} master switch up")
            self._run(host, f"tc qdisc add dev eth0 root {rate}")
            self._run(host, f"ip address add {address}/24 dev eth0")
            self._run(host, "ip link set lo up")
            self._run(host, "ip link set eth0 up")
        self.options = self._mpiexec_options()

    def _namespace(self, name):
        """The shell of a new namespace."""
        line = ["unshare", "--net", "--uts", "sh", "-c", f"hostname {name} && echo made && read x"]
        try:
            pipe = subprocess.PIPE
            shell = subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)
        except OSError as error:
            raise HostsError(f"{line[0]} cannot be run: {error}") from error
        self._shells.append(shell)
        said = shell.stdout.readline().decode().strip()
        if said != "made":
            raise HostsError(f"{' '.join(line[:3])}: {said}")
        return shell

    def _run(self, shell, command):
        line = [*_entering(shell.pid), *command.split()]
        try:
            subprocess.run(line, check=True, capture_output=True, text=True)
        except OSError as error:
            raise HostsError(f"{line[0]} cannot be run: {error}") from error
        except subprocess.CalledProcessError as error:
            raise HostsError(f"{command}: {error.stderr.strip()}") from error

    def _mpiexec_options(self):
        addresses = [_address(number) for number in range(self.count)]
        folder = Path(self._folder.name)
        hostfile, agent = folder / "hostfile", folder / "agent"
        hostfile.write_text("".join(f"{address} slots=1\n" for address in addresses))
        pairs = zip(addresses, self._hosts, strict=True)
        cases = "".join(f"{address}) pid={host.pid} ;;\n" for address, host in pairs)
        enter = " ".join(_entering("$pid"))
        agent.write_text(f'#!/bin/sh\ncase $1 in\n{cases}esac\nshift\nexec {enter} sh -c "$*"\n')
        agent.chmod(0o755)
        return [
            "--hostfile", str(hostfile), "--prtemca", "plm_ssh_agent", str(agent),
            "--prtemca", "prte_if_include", "eth0", "--mca", "btl_tcp_if_include", "eth0",
            "--mca", "pml", "ob1", "--mca", "btl", "tcp,self",
        ]  # fmt: skip


def _address(number):
    return f"10.0.0.{number + 1}"


def _entering(pid):
    return ["nsenter", "--target", str(pid), "--net", "--uts"]
