"""The requests of a benchmark as bytes, and how their answers are checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from deployer.benchmark.job import GRPC, REST, Address, Payload
from deployer.benchmark.request_file import GivenRequest, signature_of
from deployer.client import access, encoding, tf_examples
from deployer.client.encoding import ModelTarget
from deployer.errors import DeployerError
from deployer.results.deployment import Endpoints, Gateway
from deployer.results.model import Model, Signature
from deployer.verification import parity
from deployer.verification.golden import GoldenCase, Tolerance
from deployer.verification.parity import ParityError


@dataclass(frozen=True)
class Questions:
    """Requests with their golden answers, where they have some; for REST those that JSON can carry."""

    model: str
    version: int | str | None
    """The version or the label that requests name."""

    cases: tuple[GoldenCase, ...] = ()
    golden_of: Model | None = None
    """The version that the golden answers are of."""

    given: tuple[GivenRequest, ...] = ()
    signatures: tuple[Signature, ...] = ()
    """The signatures of the server, which given requests need over gRPC."""

    def payloads(self, api: str, address: Address) -> tuple[Payload, ...]:
        """Return the requests for an API as bytes. Raises UsageError for given ones that do not fit."""
        if api == GRPC:
            return (*map(self._golden_message, self.cases), *map(self._given_message, self.given))
        head = _HttpHead(address, self.model, self.version)
        golden = (head.request(case.method, _golden_body(case)) for case in self.cases_for(REST))
        return (*golden, *(head.request(tf_examples.PREDICT, request.body) for request in self.given))

    def cases_for(self, api: str) -> tuple[GoldenCase, ...]:
        """Return the golden requests that an API can carry."""
        model = self.golden_of
        if api == GRPC or model is None:
            return self.cases
        return tuple(case for case in self.cases if parity.rest_can_carry(model, case))

    def check(self, api: str, samples: Iterable[tuple[int, bytes]], tolerance: Tolerance) -> tuple[int, int, str]:
        """Compare answers with golden answers; return how many, how many are wrong, and what the first wrong one is."""
        cases, faults, checked = self.cases_for(api), [], 0
        for number, body in samples if cases else ():
            checked += 1
            if fault := self._fault(api, cases[number], body, tolerance):
                faults.append(fault)
        return checked, len(faults), faults[0] if faults else ""

    def _fault(self, api: str, case: GoldenCase, body: bytes, tolerance: Tolerance) -> str:
        model = self.golden_of
        if model is None:
            return ""
        try:
            answer = parity.read_rest(model, case, body) if api == REST else parity.read_grpc(case, body)[1]
            parity.compare(case, answer, model, tolerance)
        except (DeployerError, ParityError) as error:
            return str(error)[:300]
        return ""

    def _golden_message(self, case: GoldenCase) -> Payload:
        target = ModelTarget(self.model, self.version, case.signature)
        if case.method == tf_examples.PREDICT:
            message = encoding.predict_message(target, case.inputs)
        else:
            message = encoding.examples_message(target, case.method, parity.examples(case))
        return Payload(message.SerializeToString(), _method(case.method))

    def _given_message(self, request: GivenRequest) -> Payload:
        signature = signature_of(request, self.signatures)
        target = ModelTarget(self.model, self.version, signature.name)
        message = encoding.predict_message(target, request.arrays(signature))
        return Payload(message.SerializeToString(), _method(tf_examples.PREDICT))


def addresses(endpoints: Endpoints, gateway: Gateway | None) -> dict[str, Address]:
    """Return the address of each API."""
    rest, grpc = urlsplit(endpoints.rest), urlsplit(f"//{endpoints.grpc}")
    return {
        api: Address(url.hostname or "", url.port or default, gateway)
        for api, url, default in ((REST, rest, 80), (GRPC, grpc, 8500))
    }


def _method(method: str) -> str:
    return f"/tensorflow.serving.{encoding.grpc_method(method)}"


def _golden_body(case: GoldenCase) -> bytes:
    if case.method == tf_examples.PREDICT:
        return encoding.predict_body(case.signature, case.inputs)
    return encoding.examples_body(case.signature, parity.examples(case))


@dataclass(frozen=True)
class _HttpHead:
    address: Address
    model: str
    version: int | str | None

    def request(self, method: str, body: bytes) -> Payload:
        """Return a request with its headers."""
        lines: Sequence[str] = (
            f"POST {encoding.rest_path(self.model, self.version, method)} HTTP/1.1",
            f"Host: {self.address}",
            "Content-Type: application/json",
            *(f"{name}: {value}" for name, value in access.headers(self.address.gateway).items()),
            f"Content-Length: {len(body)}",
        )
        return Payload("".join(f"{line}\r\n" for line in (*lines, "")).encode() + body)
