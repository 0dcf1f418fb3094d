"""Every flag as data: those of TensorFlow Serving, and those of this server only.

The first table is that of `tensorflow_serving/model_servers/main.cc` with the defaults of `server.h`. The server parses
its command line with it, and `deployer` checks `[server] flags` with it.
"""

from __future__ import annotations

import dataclasses
import os

Value = str | int | float | bool
INT32 = (-(2**31), 2**31 - 1)
INT64 = (-(2**63), 2**63 - 1)
THREADS = 32_768
"""More threads than a Linux system starts by default."""


@dataclasses.dataclass(frozen=True)
class Flag:
    """One flag: `name=default`. The default determines the type.

    `least` and `most` are the valid range, `choices` the valid texts. `least_of_serving` is a higher minimum that
    TensorFlow Serving needs, for the reason `why`. `idle` is the reason why this server accepts the flag without
    effect. `setting` is the key of `deployer.toml` that replaces a flag which `deployer` sets itself. `ungated` is the
    reason why no deployment can use the flag, although the server supports it. `bits` is the size of an integer.
    """

    name: str
    default: Value
    meaning: str
    idle: str = ""
    least: float = INT32[0]
    most: float = INT32[1]
    choices: tuple[Value, ...] = ()
    least_of_serving: int | None = None
    why: str = ""
    setting: str = ""
    ungated: str = ""
    bits: int = 32

    @property
    def honoured(self) -> bool:
        """Whether the flag has an effect here."""
        return not self.idle


_WORKERS = 4 * (os.cpu_count() or 1)
_CORES = os.cpu_count() or 1

SERVING_FLAGS = (
    Flag("port", 8500, "TCP port for gRPC; 0 switches it off", setting="server.grpc_port"),
    Flag("grpc_socket_path", "", "UNIX socket on which to listen for gRPC too"),
    Flag("rest_api_port", 0, "port for the REST API; 0 switches it off", setting="server.rest_port"),
    Flag(
        "rest_api_num_threads",
        _WORKERS,
        "threads that run REST requests",
        least=1,
        most=THREADS,
        least_of_serving=2,
        why="with one thread TensorFlow Serving's REST API accepts connections and never answers",
    ),
    Flag("rest_api_timeout_in_ms", 30000, "time-out of one REST call; 0 or less is none"),
    Flag("rest_api_enable_cors_support", False, "add CORS headers to REST answers"),
    Flag("enable_batching", False, "batch requests of several clients", setting="[batching]"),
    Flag(
        "allow_version_labels_for_unavailable_models",
        False,
        "let new labels point to versions not loaded",
        setting="models.NAME.labels",
    ),
    Flag("batching_parameters_file", "", "text proto BatchingParameters", setting="[batching]"),
    Flag("enable_per_model_batching_parameters", False, "batching parameters per version"),
    Flag("model_config_file", "", "text proto ModelServerConfig", setting="[models.NAME]"),
    Flag("model_config_file_poll_wait_seconds", 0, "seconds between two looks at the config file; 0 is never", least=0),
    Flag("model_name", "default", "name of the only model, without a config file", setting="[models.NAME]"),
    Flag(
        "model_base_path", "", "directory above the version directories, without a config file", setting="[models.NAME]"
    ),
    Flag(
        "num_load_threads", 0, "threads that load versions after the start; 0 is one at a time", least=0, most=THREADS
    ),
    Flag(
        "num_unload_threads",
        0,
        "threads that unload versions",
        idle="every unload has a thread of its own",
        least=0,
        most=THREADS,
    ),
    Flag("max_num_load_retries", 5, "tries after a failed load", least=0),
    Flag(
        "load_retry_interval_micros",
        60_000_000,
        "wait between two tries; negative is none",
        least=INT64[0],
        most=INT64[1],
        bits=64,
    ),
    Flag(
        "file_system_poll_wait_seconds",
        1,
        "seconds between two looks at the base paths; 0 is once",
        least=0,
        least_of_serving=1,
        why="TensorFlow Serving would look for versions once and never load another",
    ),
    Flag("flush_filesystem_caches", True, "drop page caches after loads", idle="the page cache is left to the system"),
    Flag(
        "tensorflow_session_parallelism",
        0,
        "threads inside and between ops; 0 is automatic",
        least=0,
        most=THREADS,
        bits=64,
    ),
    Flag("tensorflow_session_config_file", "", "text proto ConfigProto"),
    Flag("tensorflow_intra_op_parallelism", 0, "threads inside one op; 0 is automatic", least=0, most=THREADS, bits=64),
    Flag("tensorflow_inter_op_parallelism", 0, "ops run at once; 0 is automatic", least=0, most=THREADS, bits=64),
    Flag(
        "use_alts_credentials",
        False,
        "Google ALTS for gRPC",
        idle="ALTS is for Google's own networks; the server does not start with it",
        ungated="deployer asks in plain gRPC",
    ),
    Flag(
        "ssl_config_file",
        "",
        "text proto SSLConfig for gRPC",
        ungated="deployer asks in plain gRPC; [gateway] speaks TLS",
    ),
    Flag(
        "platform_config_file",
        "",
        "text proto PlatformConfigMap",
        idle="the flags and batching_params.pbtxt say the same; the server does not start with it",
    ),
    Flag(
        "per_process_gpu_memory_fraction",
        0.0,
        "share of GPU memory to take; above 1 also the machine's own memory",
        least=0.0,
        most=1e6,
    ),
    Flag(
        "saved_model_tags",
        "serve",
        "comma-separated tag set to load",
        choices=("serve",),
        why="every version in the store has this tag, whatever the source had; export takes --tags",
    ),
    Flag("grpc_channel_arguments", "", "comma-separated key=value arguments of the gRPC server"),
    Flag(
        "grpc_max_threads",
        _WORKERS,
        "threads for gRPC calls; one waits for the next, and calls beyond are refused",
        least=2,
    ),
    Flag("enable_model_warmup", True, "replay a version's warm-up records at load"),
    Flag("num_request_iterations_for_warmup", 0, "replays of each warm-up record; 0 is one", least=0),
    Flag(
        "version",
        False,
        "print the version and exit",
        choices=(False,),
        why="the server would print it and end",
    ),
    Flag("monitoring_config_file", "", "text proto MonitoringConfig", setting="[monitoring]"),
    Flag(
        "remove_unused_fields_from_bundle_metagraph",
        True,
        "keep only signatures in memory",
        idle="no more than the signatures is kept in any case",
    ),
    Flag(
        "prefer_tflite_model",
        False,
        "serve model.tflite where present",
        idle="TF Lite is experimental in TensorFlow Serving; the SavedModel is served",
    ),
    Flag("num_tflite_pools", _CORES, "interpreter pools", idle="there is no TF Lite", least=1),
    Flag("num_tflite_interpreters_per_pool", 1, "interpreters in a pool", idle="there is no TF Lite", least=1),
    Flag("enable_signature_method_name_check", False, "require the matching method name of a signature"),
    Flag("xla_cpu_compilation_enabled", False, "let models that ask for XLA have it, on the CPU; here they always do"),
    Flag("xla_gpu_compilation_enabled", False, "the same, on CPU and GPU"),
    Flag("enable_profiler", True, "offer the profiler service", idle="there is no profiler service"),
    Flag(
        "thread_pool_factory_config_file",
        "",
        "text proto ThreadPoolFactoryConfig",
        idle="TensorFlow Serving's own image knows no factory either",
    ),
    Flag(
        "mixed_precision",
        "",
        "bfloat16: automatic mixed precision",
        choices=("", "bfloat16"),
        why="the server warns of any other text and ignores it",
    ),
    Flag("skip_initialize_tpu", False, "TPU builds only", idle="there is no TPU"),
    Flag("enable_grpc_healthcheck_service", False, "offer grpc.health.v1"),
    Flag("enable_serialization_as_tensor_content", False, "answer with tensor_content"),
)

OWN_FLAGS = (
    Flag("listen_address", "", "address of every port; empty is all interfaces"),
    Flag("reuse_port", False, "let another process listen on the same REST port"),
    Flag("public_port", 0, "second gRPC port, opened at SIGUSR1; 0 is none"),
    Flag("public_rest_api_port", 0, "second REST port, opened at SIGUSR1; 0 is none"),
    Flag("rest_api_max_head_bytes", 1 << 16, "largest head of a REST request, give or take one read"),
    Flag("rest_api_max_body_bytes", 1 << 28, "largest body of a REST request"),
    Flag("rest_api_max_bodies_bytes", 1 << 30, "bytes that the bodies of all REST requests at hand may take together"),
    Flag("rest_api_max_json_values", 10_000_000, "values in a REST request; lists and objects count twice"),
    Flag("rest_api_max_connections", 4096, "REST connections open at a time"),
    Flag(
        "rest_api_request_seconds", 60.0, "time to send a REST request (plus a second a KiB of body) or take its answer"
    ),
    Flag("rest_api_idle_seconds", 60.0, "time that a REST connection may be idle"),
    Flag("drain_seconds", 30.0, "time that requests in flight get at SIGTERM"),
    Flag("run_dir", "", "marks the process for the engine that started it; not used otherwise"),
    Flag("ready_file", "", "written with pid and ports as JSON once the ports are open"),
)

FLAGS = {flag.name: flag for flag in SERVING_FLAGS + OWN_FLAGS}
