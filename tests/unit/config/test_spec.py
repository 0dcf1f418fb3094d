"""The document as values: what it refuses by itself, without a file and without a validator."""

from __future__ import annotations

import dataclasses
import math

import pytest

from deployer.config.flags import is_set_by_deployer
from deployer.config.spec import Batching, Docker, Gate, ModelSpec, Monitoring, Server, Spec
from deployer.errors import InvalidValue
from deployer.server.flag_table import SERVING_FLAGS


def test_the_defaults_bind_to_loopback_and_are_a_document_that_asks_for_nothing():
    spec = Spec()
    assert (spec.server.address, spec.server.rest_port, spec.server.grpc_port, spec.server.flags) == (
        "127.0.0.1", None, None, {},
    )  # fmt: skip
    assert (spec.models, spec.batching, spec.monitoring, spec.engine) == ({}, None, None, "auto")


@pytest.mark.parametrize("kind", [Spec, ModelSpec, Server, Batching, Monitoring, Gate, Docker])
def test_every_setting_explains_itself_and_the_document_is_frozen(kind):
    for field in dataclasses.fields(kind):
        assert field.metadata["doc"].strip(), field.name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(kind(), dataclasses.fields(kind)[0].name, None)


def test_two_documents_share_nothing():
    Spec().models["m"] = ModelSpec()
    Server().flags["x"] = 1
    assert (Spec().models, Server().flags) == ({}, {})


FLAGS = [
    ("rest_api_num_threads", "four"), ("rest_api_num_threads", 4.5), ("rest_api_num_threads", 4.0),
    ("rest_api_num_threads", True), ("rest_api_num_threads", "4"), ("rest_api_num_threads", 0),
    ("rest_api_num_threads", -2), ("rest_api_num_threads", 2**31), ("rest_api_num_threads", 100_000),
    ("max_num_load_retries", True), ("max_num_load_retries", -1), ("max_num_load_retries", 1.0),
    ("rest_api_enable_cors_support", "yes"), ("rest_api_enable_cors_support", 1),
    ("rest_api_enable_cors_support", "true"), ("rest_api_timeout_in_ms", 2**31), ("rest_api_timeout_in_ms", "5s"),
    ("load_retry_interval_micros", 2**63), ("load_retry_interval_micros", 1.5), ("file_system_poll_wait_seconds", -1),
    ("grpc_max_threads", 0), ("grpc_max_threads", 2**32 + 8), ("saved_model_tags", True), ("saved_model_tags", "gpu"),
    ("grpc_channel_arguments", 4), ("grpc_channel_arguments", "a=1\0"), ("mixed_precision", "float16"),
    ("per_process_gpu_memory_fraction", "half"), ("per_process_gpu_memory_fraction", -0.1),
    ("per_process_gpu_memory_fraction", math.nan), ("per_process_gpu_memory_fraction", math.inf), ("version", True),
    ("tensorflow_intra_op_parallelism", -1), ("tensorflow_session_parallelism", 2**40), ("num_tflite_pools", 0),
    ("num_request_iterations_for_warmup", -1), ("num_load_threads", False), ("enable_model_warmup", 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), FLAGS)
def test_a_value_that_a_flag_cannot_have_is_refused_with_its_key(name, value):
    with pytest.raises(InvalidValue) as refused:
        Server(flags={"enable_model_warmup": False, name: value})
    assert refused.value.key_path == ("flags", name)


@pytest.mark.parametrize(
    "flag", [flag for flag in SERVING_FLAGS if not is_set_by_deployer(flag)], ids=lambda flag: flag.name
)
def test_every_flag_takes_its_default_and_no_other_type(flag):
    assert Server(flags={flag.name: flag.default})
    for value in ({bool: 1, int: 1.0, float: "0.5", str: 7}[type(flag.default)], [], None):
        with pytest.raises(InvalidValue, match=r"expected .*, got"):
            Server(flags={flag.name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("rest_api_num_threads", 1), ("rest_api_timeout_in_ms", -1), ("load_retry_interval_micros", -(2**63)),
     ("load_retry_interval_micros", 2**63 - 1), ("grpc_max_threads", 2**31 - 1), ("mixed_precision", "bfloat16"),
     ("per_process_gpu_memory_fraction", 1), ("file_system_poll_wait_seconds", 0)],
)  # fmt: skip
def test_what_some_server_honours_is_taken(name, value):
    assert Server(flags={name: value}).flags == {name: value}


@pytest.mark.parametrize(
    ("name", "near"),
    [("rest_api_timeout", "rest_api_timeout_in_ms"), ("grpc_max_thread", "grpc_max_threads"),
     ("enable_model_warmap", "enable_model_warmup"), ("--rest_api_num_threads", "rest_api_num_threads"),
     ("rest_api_num_threads=4", "rest_api_num_threads"), ("file-system-poll-wait-seconds",
      "file_system_poll_wait_seconds")],
)  # fmt: skip
def test_a_flag_that_does_not_exist_is_refused_with_the_nearest(name, near):
    with pytest.raises(InvalidValue) as refused:
        Server(flags={name: 5})
    assert (refused.value.hint, refused.value.key_path) == (f"did you mean {near}?", ("flags", name))


def test_three_flags_for_the_same_threads_are_one_too_many():
    names = [f"tensorflow_{kind}_parallelism" for kind in ("session", "intra_op", "inter_op")]
    assert Server(flags=dict.fromkeys(names[1:], 2))
    with pytest.raises(InvalidValue, match="together"):
        Server(flags=dict.fromkeys(names, 2))


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64", "linux/arm64/v8", "linux/arm/v7", "linux/amd64/v3"])
def test_platforms_that_images_have(platform):
    assert Docker(platform=platform).platform == platform


@pytest.mark.parametrize(
    "platform",
    ["linux-amd64", "windows/amd64", "darwin/arm64", "amd64", "linux", "linux/", "/amd64", "linux/amd64/", "linux/x64",
     "linux/x86_64", "Linux/amd64", "linux/amd64/v8", "linux/arm64/v8/x", "linux/386/v1", " linux/amd64", "",
     "a" * 999],
)  # fmt: skip
def test_platforms_that_no_image_has(platform):
    with pytest.raises(InvalidValue, match="platform") as refused:
        Docker(platform=platform)
    assert refused.value.key_path == ("platform",)
    assert "linux/" in (refused.value.hint or "")


@pytest.mark.parametrize("port", [0, 1, 8501, 65535, None])
def test_ports_that_exist(port):
    assert Server(rest_port=port).rest_port == Server(grpc_port=port).grpc_port == port


@pytest.mark.parametrize("port", [-1, 65536, 99999, 2**40])
def test_ports_that_do_not(port):
    for door in ("rest_port", "grpc_port"):
        with pytest.raises(InvalidValue, match=f"port {port} does not exist"):
            Server(**{door: port})


def test_rest_and_grpc_cannot_share_a_port_but_both_may_be_any():
    assert Server(rest_port=0, grpc_port=0)
    with pytest.raises(InvalidValue, match="cannot share port 8501"):
        Server(rest_port=8501, grpc_port=8501)


@pytest.mark.parametrize("name", ["", "--x", "X", "a-b", "a b", "1a", "a=b", "a\n", "ü"])
def test_what_is_no_flag_name_is_refused(name):
    with pytest.raises(InvalidValue, match="is not a flag name"):
        Server(flags={name: 1})


@pytest.mark.parametrize("name", [flag.name for flag in SERVING_FLAGS if is_set_by_deployer(flag)])
def test_flags_that_deployer_sets_itself_are_refused(name):
    with pytest.raises(InvalidValue, match="is set by deployer itself") as refused:
        Server(flags={"grpc_max_threads": 4, name: "x"})
    assert refused.value.hint


@pytest.mark.parametrize("label", ["", "a b", 'a"b', "a.b", "a/b", "l" * 65, "ü", "a\n"])
def test_labels_that_a_url_or_a_text_proto_would_choke_on_are_refused(label):
    with pytest.raises(InvalidValue, match=r"label .* is not allowed"):
        ModelSpec(labels={label: 1})
    assert ModelSpec(labels={"l" * 64: 1, "canary_2": 2}).labels["canary_2"] == 2


@pytest.mark.parametrize("version", [0, -1, 2**63])
def test_versions_that_cannot_be_are_refused_as_such_and_behind_labels(version):
    for wrong in ({"versions": (1, version)}, {"labels": {"stable": version}}):
        with pytest.raises(InvalidValue, match=r"version .* is not allowed"):
            ModelSpec(**wrong)


@pytest.mark.parametrize(
    "text", ["", "x", "x:float32", "x:float33[]", "x:float32[a]", "x:float32[1][2]", "x:float32[-2]"]
)
def test_malformed_inputs_are_refused(text):
    with pytest.raises(InvalidValue):
        ModelSpec(inputs=("y:int64[?]", text))


@pytest.mark.parametrize("name", ["", "../x", "a/b", 'a"b', "a b", "n" * 101, "a\n", ".a"])
def test_names_that_cannot_be_a_directory_a_label_and_a_url_are_refused(name):
    for wrong in ({"name": name}, {"env": name}, {"models": {name: ModelSpec()}}):
        with pytest.raises(InvalidValue, match=r"name .* is not allowed"):
            Spec(**wrong)


def test_the_deployment_has_its_own_name_or_that_of_its_only_model():
    one, two = {"m": ModelSpec()}, {"m": ModelSpec(), "n": ModelSpec()}
    assert (Spec(models=one).deployment, Spec(name="d", models=two).deployment) == ("m", "d")
    for open_ in (Spec(models=two), Spec()):
        with pytest.raises(InvalidValue, match="the deployment has no name"):
            _ = open_.deployment


@pytest.mark.parametrize(
    ("image", "instead"),
    [
        ("tensorflow/serving:2.20.0", "tensorflow/serving:2.20.0-gpu"),
        ("tensorflow/serving", "tensorflow/serving:latest-gpu"),
        ("docker.io/tensorflow/serving:nightly", "docker.io/tensorflow/serving:nightly-gpu"),
        ("tensorflow/serving:2.19.1-devel", "tensorflow/serving:2.19.1-devel-gpu"),
    ],
)  # fmt: skip
def test_gpus_with_an_image_for_the_cpu_are_refused_with_the_image_to_take(image, instead):
    with pytest.raises(InvalidValue, match="CPU alone") as refused:
        Docker(gpus=1, image=image).check_gpus()
    assert f'"{instead}"' in refused.value.hint
    assert Docker(gpus=-1, image=instead)
    assert Docker(image=image)


@pytest.mark.parametrize(
    "image", ["own/serving:2", "registry.example/tensorflow/serving:2.20.0", f"tensorflow/serving@sha256:{'0' * 64}"]
)
def test_of_other_images_nothing_is_known(image):
    assert Docker(gpus=1, image=image)


def test_engines_are_those_there_are():
    with pytest.raises(InvalidValue, match="one of auto, docker, embedded, swarm, not 'dokcer'"):
        Spec(engine="dokcer")


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_batch_size": 0},
        {"num_batch_threads": 0},
        {"max_enqueued_batches": -1},
        {"batch_timeout_micros": -1},
        {"max_batch_size": 2**31},
        {"num_batch_threads": 10**6},
        {"batch_timeout_micros": 2**62},
    ],
)
def test_batching_that_could_never_run_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(InvalidValue, match=f"{name} .* must be an integer from") as refused:
        Batching(**wrong)
    assert refused.value.key_path == (name,)


@pytest.mark.parametrize("sizes", [(8, 1), (1, 1, 32), (0, 32), (1, 8), (1, 64)])
def test_batch_sizes_ascend_to_the_largest(sizes):
    with pytest.raises(InvalidValue, match="must ascend and end with max_batch_size 32"):
        Batching(allowed_batch_sizes=sizes)
    assert Batching(allowed_batch_sizes=(1, 8, 32))


@pytest.mark.parametrize(
    "path", ["/v1/models/h", "/V1/models", "/v1/metrics", "/a/../v1/models", "//metrics", "/a/./b", "/a/..", "/a//"]
)
def test_a_monitoring_path_that_is_the_apis_or_that_no_client_would_ask_for_is_refused(path):
    with pytest.raises(InvalidValue, match="monitoring path") as refused:
        Monitoring(path=path)
    assert refused.value.key_path == ("path",)


def test_a_monitoring_path_may_resemble_the_apis():
    for path in ("/v1", "/v1beta/metrics", "/v2/models", "/metrics/v1/x", "/.well-known/x", "/a..b"):
        assert Monitoring(path=path).path == path


@pytest.mark.parametrize("path", ["", "/", "metrics", "/a b", "/a?b", '/a"b', "/a\n", "/" + "a" * 201])
def test_a_monitoring_path_is_a_path(path):
    with pytest.raises(InvalidValue, match="monitoring path"):
        Monitoring(path=path)


@pytest.mark.parametrize("name", ["relative_tolerance", "absolute_tolerance"])
@pytest.mark.parametrize("value", [-1e-9, -math.inf, math.inf, math.nan])
def test_a_tolerance_is_finite_and_not_negative(name, value):
    """An infinite one would let every answer through; with one that is no number nothing could pass."""
    with pytest.raises(InvalidValue, match=name):
        Gate(**{name: value})
    assert Gate(**{name: 0.0})


@pytest.mark.parametrize("name", ["ready_seconds", "request_seconds"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_every_wait_has_an_end(name, value):
    with pytest.raises(InvalidValue, match=name):
        Gate(**{name: value})
    assert Gate(**{name: 0.1})


@pytest.mark.parametrize(
    "wrong",
    [
        {"image": ""}, {"image": "-x"}, {"image": "a b"}, {"image": "a\n"}, {"cpus": -1.0}, {"cpus": math.nan},
        {"cpus": math.inf}, {"memory": "2 g"}, {"memory": "00x"}, {"shm_size": "x"}, {"shm_size": "0"}, {"gpus": -2},
        {"user": "nobody"}, {"user": "1:2:3"}, {"restart": "sometimes"}, {"pull_seconds": 0.0},
        {"pull_seconds": math.nan}, {"pull_seconds": math.inf},
    ],
    ids=str,
)  # fmt: skip
def test_a_container_that_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidValue, match=next(iter(wrong))):
        Docker(**wrong)
