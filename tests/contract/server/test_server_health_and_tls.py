"""grpc.health.v1 asked by gRPC's own client, and TLS with certificates that the test makes."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from contract.server.server_process import HOST, MODELS, ServerProcess, serving
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deployer.savedmodel import messages
from deployer.server.declared import message_class

MODEL = ("--model_name=half_plus_two", f"--model_base_path={MODELS / 'half_plus_two'}")
HEALTH = "--enable_grpc_healthcheck_service"
STATUS = health_pb2.HealthCheckResponse
SECONDS = 60


def health(channel: grpc.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel)


def request(service: str) -> Any:
    return health_pb2.HealthCheckRequest(service=service)


def test_the_services_of_tensorflow_serving_are_healthy_and_others_are_unknown(tmp_path: Path) -> None:
    with serving(tmp_path, *MODEL, HEALTH) as server:
        server.wait_ready()
        with grpc.insecure_channel(f"{HOST}:{server.port}") as channel:
            for service in ("", "ModelService", "PredictionService"):
                assert health(channel).Check(request(service), timeout=SECONDS).status == STATUS.SERVING
            with pytest.raises(grpc.RpcError) as refused:
                health(channel).Check(request("tensorflow.serving.PredictionService"), timeout=SECONDS)
            assert refused.value.code() is grpc.StatusCode.NOT_FOUND
            watched = health(channel).Watch(request("nope"), timeout=SECONDS)
            assert next(watched).status == STATUS.SERVICE_UNKNOWN
            watched.cancel()


def test_watchers_take_no_thread_and_are_told_when_the_server_stops(tmp_path: Path) -> None:
    with serving(tmp_path, *MODEL, HEALTH, "--grpc_max_threads=1") as server:
        server.wait_ready()
        with grpc.insecure_channel(f"{HOST}:{server.port}") as channel:
            watchers = [health(channel).Watch(request(name), timeout=SECONDS) for name in ("", "ModelService") * 20]
            assert {next(watcher).status for watcher in watchers} == {STATUS.SERVING}
            assert health(channel).Check(request(""), timeout=SECONDS).status == STATUS.SERVING
            server.child.send_signal(signal.SIGTERM)
            assert [[told.status for told in watcher] for watcher in watchers] == [[STATUS.NOT_SERVING]] * 40
            assert server.wait_for_exit() == 0


def test_without_the_flag_there_is_no_health_service(tmp_path: Path) -> None:
    with serving(tmp_path, *MODEL) as server:
        server.wait_ready()
        with grpc.insecure_channel(f"{HOST}:{server.port}") as channel, pytest.raises(grpc.RpcError) as refused:
            health(channel).Check(request(""), timeout=SECONDS)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


class Papers:
    """A certificate authority, and what it signed for the server and for a client."""

    def __init__(self) -> None:
        self.authority = trustme.CA()
        self.server = self.authority.issue_cert(HOST, "localhost")
        self.client = self.authority.issue_cert("client@example.org")
        self.root = self.authority.cert_pem.bytes()

    def config(self, file: Path, verify: bool) -> str:
        from google.protobuf import text_format

        message = message_class("tensorflow.serving.SSLConfig")(
            server_key=self.server.private_key_pem.bytes().decode(),
            server_cert=self.server.cert_chain_pems[0].bytes().decode(),
            custom_ca=self.root.decode(),
            client_verify=verify,
        )
        file.write_text(text_format.MessageToString(message))
        return f"--ssl_config_file={file}"


@pytest.fixture(scope="module")
def papers() -> Papers:
    return Papers()


def ask(server: ServerProcess, credentials: grpc.ChannelCredentials | None) -> Any:
    target = f"{HOST}:{server.port}"
    channel = grpc.secure_channel(target, credentials) if credentials else grpc.insecure_channel(target)
    with channel:
        question = messages.message_class("tensorflow.serving.GetModelStatusRequest")()
        question.model_spec.name = "half_plus_two"
        return channel.unary_unary(
            "/tensorflow.serving.ModelService/GetModelStatus",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=messages.message_class("tensorflow.serving.GetModelStatusResponse").FromString,
        )(question, timeout=SECONDS)


def test_grpc_speaks_tls_and_rest_stays_plain(tmp_path: Path, papers: Papers) -> None:
    with serving(tmp_path, *MODEL, papers.config(tmp_path / "ssl.config", verify=False)) as server:
        server.wait_ready()
        assert len(ask(server, grpc.ssl_channel_credentials(papers.root)).model_version_status) == 1
        strangers = trustme.CA().cert_pem.bytes()
        for credentials in (None, grpc.ssl_channel_credentials(strangers)):
            with pytest.raises(grpc.RpcError) as refused:
                ask(server, credentials)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert server.predict("half_plus_two/versions/3", 2.0)[0] == 200


def test_clients_without_a_certificate_are_refused_where_one_is_asked_for(tmp_path: Path, papers: Papers) -> None:
    with serving(tmp_path, *MODEL, papers.config(tmp_path / "ssl.config", verify=True)) as server:
        server.wait_ready()
        key, chain = papers.client.private_key_pem.bytes(), papers.client.cert_chain_pems[0].bytes()
        assert ask(server, grpc.ssl_channel_credentials(papers.root, key, chain)).model_version_status
        with pytest.raises(grpc.RpcError) as refused:
            ask(server, grpc.ssl_channel_credentials(papers.root))
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("server_key: 5", "INVALID_ARGUMENT: Invalid protobuf file: '{file}'"),
        ("client_verify: true", "INVALID_ARGUMENT: '{file}' asks for client certificates and names no custom_ca"),
        ("server_key: 'no' server_cert: 'no'", "UNKNOWN: Failed to BuildAndStart gRPC server"),
    ],
)
def test_papers_that_are_not_in_order_end_the_server(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "ssl.config"
    file.write_text(text)
    with serving(tmp_path, *MODEL, f"--ssl_config_file={file}") as server:
        assert server.wait_for_exit() == 255
        assert f"Failed to start server. Error: {says.format(file=file)}" in server.log
