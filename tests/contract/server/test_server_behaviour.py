"""Which test shows which row of the behaviour over time that was recorded on TensorFlow Serving 2.19.1.

What K shows on its way (the third version waits in START until the first has ended) is in the unit tests of the core,
where a load and a request can be held. At M this server differs on purpose: it drains.
"""

from __future__ import annotations

from pathlib import Path

import pytest

ROWS = [
    (
        "A",
        "start with a base path that is missing",
        "start",
        "test_a_missing_path_and_an_empty_one_are_waited_for_with_closed_ports",
    ),
    (
        "B",
        "start with a base path without versions",
        "start",
        "test_a_missing_path_and_an_empty_one_are_waited_for_with_closed_ports",
    ),
    ("C", "start with a broken and a good model", "start", "test_a_broken_model_at_start_ends_the_server_and_says_why"),
    (
        "C2",
        "the same with the default retries",
        "start",
        "test_with_the_default_retries_a_broken_model_is_tried_again_with_closed_ports",
    ),
    (
        "D",
        "a version without `variables/`",
        "over_time",
        "test_a_version_without_variables_is_available_and_fails_every_predict",
    ),
    ("E", "a label in the first config", "start", "test_a_label_in_the_first_config_ends_the_server"),
    ("F", "an unknown flag", "start", "test_a_missing_path_and_an_empty_one_are_waited_for_with_closed_ports"),
    ("F2", "a bad value of a known flag", "start", "test_a_bad_value_of_a_known_flag_ends_the_server"),
    ("G", "a REST port that is taken", "start", "test_grpc_goes_on_alone_when_the_rest_port_is_taken"),
    ("G", "two servers on one gRPC port", "start", "test_two_servers_on_one_grpc_port_share_its_connections"),
    (
        "H",
        "a reload with a missing path, then a good one",
        "over_time",
        "test_a_reload_with_a_missing_path_waits_and_the_next_one_waits_behind_it",
    ),
    (
        "I",
        "a reload that adds a broken model",
        "over_time",
        "test_a_reload_with_a_broken_model_keeps_its_other_changes",
    ),
    (
        "I2",
        "a reload to a version that is not there",
        "over_time",
        "test_a_reload_to_a_version_that_is_not_there_unloads_all",
    ),
    (
        "J",
        "a label moved to a version that the same reload loads",
        "over_time",
        "test_a_label_moves_only_to_a_version_that_serves",
    ),
    (
        "K",
        "`latest 2`, a third version appears",
        "over_time",
        "test_the_latest_two_follow_the_disk_and_files_changed_in_place_do_not_matter",
    ),
    (
        "K2",
        "a loaded version overwritten on disk",
        "over_time",
        "test_the_latest_two_follow_the_disk_and_files_changed_in_place_do_not_matter",
    ),
    ("L", "a broken version under `latest`", "over_time", "test_a_truncated_version_ends_and_the_old_one_answers"),
    (
        "M",
        "SIGTERM: this server drains instead",
        "handover",
        "test_a_server_alone_answers_what_is_under_way_and_refuses_the_rest",
    ),
    (
        "N",
        "config polling, and a file that becomes invalid",
        "over_time",
        "test_config_polling_public_ports_and_a_drain",
    ),
    (
        "O",
        "reloads between two versions under load",
        "swaps",
        "test_five_hundred_swaps_under_load_fail_nothing_and_leak_nothing",
    ),
    (
        "P",
        "one of two servers drained and stopped under load",
        "handover",
        "test_a_server_that_stops_loses_no_request_to_the_one_beside_it",
    ),
]
RECORDED = {*"ABCDEFGHIJKLMNOP"} | {"C2", "F2", "I2", "K2"}


def test_every_row_is_here() -> None:
    assert {row for row, _, _, _ in ROWS} == RECORDED


@pytest.mark.parametrize(("row", "what", "file", "test"), ROWS, ids=[f"{row} {what}" for row, what, _, _ in ROWS])
def test_every_row_has_a_test(row: str, what: str, file: str, test: str) -> None:
    assert f"def {test}(" in Path(__file__).with_name(f"test_server_{file}.py").read_text()
