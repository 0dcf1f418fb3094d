"""The ports of another machine, read from the tables of its kernel."""

from __future__ import annotations

import pytest

from deployer.engines.docker.remote.ports import PortTable, RemotePorts
from deployer.errors import EngineError, PortTaken

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
TABLE = (
    "32768\t60999\n1024\n"
    + HEAD
    + "   0: 0100007F:2135 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0\n"  # 127.0.0.1:8501
    + "   1: 00000000:2134 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0\n"  # 0.0.0.0:8500
    + "   2: 0100007F:1F90 0100007F:2135 01 00000000:00000000 00:00000000 00000000 0\n"  # an open connection
    + HEAD
    + "   0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 0 0 0\n"  # [::1]:22
    + "   1: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A 0 0 0\n"  # 127.0.0.1:80
)


@pytest.fixture
def ports():
    return RemotePorts(lambda script: TABLE, "stage")


def test_the_kernels_table_is_read():
    table = PortTable.parse(TABLE)
    assert table.listening == (("127.0.0.1", 8501), ("0.0.0.0", 8500), ("::1", 22), ("127.0.0.1", 80))
    assert (table.first_ephemeral, table.first_unprivileged) == (32768, 1024)
    assert table.is_taken("127.0.0.1", 8501)
    assert table.is_taken("0.0.0.0", 8501)
    assert not table.is_taken("10.0.0.1", 8501)
    assert table.is_taken("10.0.0.1", 8500)
    assert not table.is_taken("127.0.0.1", 8080)


def test_a_port_that_is_taken_names_the_machine(ports):
    ports.check_free("127.0.0.1", 8502)
    with pytest.raises(PortTaken, match="stage") as refused:
        ports.check_free("127.0.0.1", 8501)
    assert refused.value.port == 8501


def test_free_ports_are_found(ports):
    assert ports.first_free("127.0.0.1", None, 8501, 8503) == 8503
    assert ports.first_free("127.0.0.1", 8501) == 0
    assert 20_000 <= ports.any_free("127.0.0.1", None) < 32768
    assert ports.count_listeners(8501) == 1
    assert ports.first_unprivileged() == 1024


def test_a_machine_that_cannot_be_asked_yet_refuses_no_port():
    RemotePorts(lambda script: "", "stage").check_free("127.0.0.1", 8501)


def test_an_answer_that_is_none_is_an_error():
    with pytest.raises(EngineError):
        PortTable.parse("sh: cat: not found")
