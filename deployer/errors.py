"""Every error of the tool, each with its exit code and, where there is one, the next thing to type.

DeployerError
├── DeployFailed          1   tried, failed, undone
├── PlanOutdated          1   what was planned is not what would be done now
├── LedgerError           1   the history cannot be read or written
├── RequestFailed         1   a model server refused a request, or did not answer in time
│   ├── RequestRefused        it answered, with an error
│   └── Overloaded            it has no room for the request now, however often it was asked
├── MalformedTensor       1   a message whose values and shape disagree
├── UsageError            2   what was typed cannot be meant
│   ├── InvalidValue          a name, version, port or tensor specification that is malformed
│   └── EngineConflict        a deployment of that name is on another engine, or on several
├── ConfigError           3   deployer.toml, its overlays, DEPLOYER_* variables
│   └── SettingRefused        a setting that this engine cannot honour
├── ModelError            4   model, export, store
│   ├── SourceNotFound        nothing is there to export
│   ├── BrokenModel           a SavedModel or model file that cannot be read or would not serve
│   ├── UnknownOp             the server's TensorFlow does not know what the model needs
│   ├── UntrustedCode         loading it would run code: `--trust`
│   ├── ExportFailed          TensorFlow or Keras refused, the disk is full, the user's file raised
│   ├── SourceDiffers         the saved model does not answer as the source model does
│   ├── SourceCrashed         the process that loaded or asked the model was killed, or ended itself
│   ├── GoldenError           examples that do not fit the signature, answers that cannot be kept
│   ├── ModelNotFound           the store has no such model or version
│   └── VersionExists         a version is never overwritten
├── TemplateError         5   a template is missing, wrong, or renders what the server cannot parse
├── EngineError           6   the platform
│   ├── EngineUnavailable     it does not answer, or this release cannot drive it
│   ├── NotOurs               what has a deployment's name belongs to another project, or to none
│   ├── PortTaken             somebody else listens there
│   └── InsufficientMemory                not memory enough for old and new at once
├── NotReady              7   the server did not become ready in time, or never will
│   └── NotRunning            the server of a deployment, or its gateway, is not running
├── VerificationFailed           8   the candidate answered, and answered wrong
├── LockHeld              9   another command works on the same thing
├── DeploymentNotFound      10   no such deployment
│   └── NoSuchRelease         the history has no such release, or none to go back to
└── ExtraMissing         11   an optional package is needed
"""

from __future__ import annotations

from typing import ClassVar

DONE = 0
PLAN_HAS_CHANGES = 20
BREAKING = PLAN_HAS_CHANGES
BUG = 70
INTERRUPTED = 130


class DeployerError(Exception):
    """What failed, where and why, in one or a few lines; `hint` is the next step; `log` the server's last lines.

    `results` is what was found or done all the same, where that was a part of what was asked for; `notices` are what
    the command would have said with its result.
    """

    exit_code: ClassVar[int] = 1
    meaning: ClassVar[str] = "failed and undone"

    def __init__(self, message: str, *, hint: str | None = None, log: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.log = log
        self.results: tuple[object, ...] = ()
        self.notices: tuple[str, ...] = ()


class DeployFailed(DeployerError):
    """The deploy failed and what it had begun was undone."""


class PlanOutdated(DeployerError):
    """What was planned is not what would be done now."""


class LedgerError(DeployerError):
    """The history cannot be read or written."""


class RequestFailed(DeployerError):
    """A model server refused a request, or did not answer it in time."""


class RequestRefused(RequestFailed):
    """A model server answered a REST request with an error."""


class Overloaded(RequestFailed):
    """A model server refused a request for load; `reason` says in a few words what it lacks."""

    def __init__(self, message: str, *, reason: str = "", hint: str | None = None, log: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint, log=log)
        self.reason = reason


class MalformedTensor(DeployerError):
    """A tensor in a message or an example is malformed: values, shape and dtype do not go together."""


class UsageError(DeployerError):
    """What was typed cannot be meant."""

    exit_code = 2
    meaning = "wrong usage"


class InvalidValue(UsageError, ValueError):
    """A name, version, port or tensor specification that is malformed.

    `place` are the keys that lead to it within the table that is being read.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, log: tuple[str, ...] = (), place: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint, log=log)
        self.place = place


class EngineConflict(UsageError):
    """A deployment of that name is on another engine than the one asked for, or on several."""


class ConfigError(DeployerError):
    """The configuration is wrong: file, key and reason are in the message."""

    exit_code = 3
    meaning = "wrong configuration"


class SettingRefused(ConfigError):
    """A setting that this engine cannot honour: refused, never ignored."""


class ModelError(DeployerError):
    """A model cannot be found, read, exported or stored."""

    exit_code = 4
    meaning = "model or export failed"


class SourceNotFound(ModelError):
    """Nothing is there to export."""


class BrokenModel(ModelError):
    """A SavedModel or model file that cannot be read, or that would load and then fail every request."""


class UnknownOp(ModelError):
    """The server's TensorFlow does not know an op of the model, or reads no graph of its version: it would not load."""


class UntrustedCode(ModelError):
    """Loading the model would run code that it carries."""


class ExportFailed(ModelError):
    """The export was tried and failed; nothing was stored."""


class SourceDiffers(ModelError):
    """The saved model does not answer the golden questions as the source model does; nothing was stored."""


class SourceCrashed(ModelError):
    """The process that loaded or asked the model was killed by a signal, or ended itself; `log` has its last lines."""


class GoldenError(ModelError):
    """The golden set cannot be made: examples that do not fit, or answers that cannot be kept."""


class ModelNotFound(ModelError):
    """The store has no such `version` of a `model`, or nothing of it."""

    def __init__(
        self,
        message: str,
        *,
        model: str = "",
        version: int | None = None,
        hint: str | None = None,
        log: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint, log=log)
        self.model = model
        self.version = version


class VersionExists(ModelError):
    """That version is in the store already, and versions are never overwritten."""


class TemplateError(DeployerError):
    """A template is missing or wrong, or renders what the server could not parse."""

    exit_code = 5
    meaning = "template failed"


class EngineError(DeployerError):
    """The platform that runs servers failed or refused."""

    exit_code = 6
    meaning = "engine failed"


class EngineUnavailable(EngineError):
    """The engine does not answer, or this release cannot drive it."""


class NotOurs(EngineError):
    """What has a deployment's name belongs to another project or to none, or its labels cannot be believed."""


class PortTaken(EngineError):
    """Somebody else listens on that port: `port`, where it is known."""

    def __init__(
        self, message: str, *, port: int | None = None, hint: str | None = None, log: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint, log=log)
        self.port = port


class InsufficientMemory(EngineError):
    """There is not memory enough for old and new at once."""


class NotReady(DeployerError):
    """The server did not become ready before the deadline, or never will."""

    exit_code = 7
    meaning = "not ready in time"


class NotRunning(NotReady):
    """The server of a deployment, or the gateway in front of it, is not running."""


class VerificationFailed(DeployerError):
    """The candidate answered, and answered wrong: it takes no traffic."""

    exit_code = 8
    meaning = "refused by the gate"


class LockHeld(DeployerError):
    """Another command works on the same deployment or model."""

    exit_code = 9
    meaning = "lock held"


class DeploymentNotFound(DeployerError):
    """There is no such deployment."""

    exit_code = 10
    meaning = "nothing deployed"


class NoSuchRelease(DeploymentNotFound):
    """The history has no such release, or none to go back to."""


class ExtraMissing(DeployerError):
    """An optional package is needed for this."""

    exit_code = 11
    meaning = "optional package missing"


def note_undone(error: BaseException, what: str) -> None:
    """Remember with what ends a command, a Ctrl-C perhaps, what of it was undone on the way out."""
    vars(error).setdefault("undone", []).append(what)


def undone(error: BaseException) -> tuple[str, ...]:
    """What was undone, in that order."""
    return tuple(vars(error).get("undone", ()))


def exit_codes() -> dict[int, str]:
    """Every exit code with its meaning, for `--help` and the reference."""
    kinds: tuple[type[DeployerError], ...] = (DeployerError, *DeployerError.__subclasses__())
    codes = {kind.exit_code: kind.meaning for kind in kinds if "meaning" in vars(kind)}
    codes |= {
        DONE: "done",
        PLAN_HAS_CHANGES: "plan has changes (--exit-code), or diff is breaking",
        BUG: "bug",
        INTERRUPTED: "interrupted",
    }
    return dict(sorted(codes.items()))
