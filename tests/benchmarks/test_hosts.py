"""Several hosts on one machine: they train as one process does, and their links carry what the
formula says."""

import os
import socket
import subprocess

import pytest

from alexnet.network.specs import find_spec
from alexnet.network.variants import changed
from benchmarks.programs import hosts as network
from benchmarks.programs import launch
from benchmarks.programs.hosts import Hosts, HostsError
from benchmarks.programs.workload import write_workload
from tests.ranks import needs_mpi

COUNT = 3  # a tree and a ring of two ranks send the same


@pytest.fixture(scope="module", autouse=True)
def namespaces():
    """Skips where namespaces cannot be made, with the reason."""
    try:
        with Hosts(2, gbit=1):
            pass
    except HostsError as error:
        pytest.skip(f"needs network namespaces: {error}")


def said(hosts, *command):
    return subprocess.run(hosts.line(command), capture_output=True, text=True).stdout


def test_hosts_have_names_and_addresses_and_end_with_the_block():
    with Hosts(2, gbit=0.5) as hosts:
        shells = hosts._shells
        assert said(hosts, "hostname").strip() == "host0"
        assert "10.0.0.1/24" in said(hosts, "ip", "address", "show", "eth0")
        assert "rate 500Mbit" in said(hosts, "tc", "qdisc", "show", "dev", "eth0")
        assert socket.gethostname() != "host0"
    assert len(shells) == 3 and all(shell.poll() is not None for shell in shells)


def test_a_command_that_fails_leaves_no_host_behind(monkeypatch):
    made = []
    monkeypatch.setattr(network, "BURST", "never")
    namespace = Hosts._namespace
    monkeypatch.setattr(
        Hosts, "_namespace", lambda self, name: made.append(namespace(self, name)) or made[-1]
    )
    with pytest.raises(HostsError, match="tc qdisc add dev port0 root tbf .*burst never"):
        Hosts(2, gbit=1).__enter__()
    assert len(made) == 3 and all(shell.poll() is not None for shell in made)


def test_without_root_the_error_says_so(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(HostsError, match="only root"):
        Hosts(2, gbit=1).__enter__()


@needs_mpi()
def test_hosts_train_as_one_process_and_send_what_the_formula_says(tmp_path):
    spec = changed(find_spec("paper"), init="he", width=0.25)  # 4 million parameters
    write_workload(tmp_path, spec, 6, 1, 10, 67)
    (alone,) = launch.launch(1, "data_parallel", ["numpy", "1"], tmp_path, 1, 1)
    each = launch.launch(COUNT, "data_parallel", ["numpy", "2"], tmp_path, 1, 2, gbit=1)
    assert [one["host"] for one in each] == ["host0", "host1", "host2"]
    losses = [sum(shares) for shares in zip(*(one["losses"] for one in each), strict=True)]
    assert losses == pytest.approx(alone["losses"], rel=1e-5) and losses[0] != losses[1]
    for one in each:
        sent = sum(one["sent_bytes"].values())
        # Of a frame of 1,514 bytes 66 are headers; the rest are acknowledgements.
        assert 66 / 1448 < one["frames"]["bytes"] / sent - 1 < 0.06
