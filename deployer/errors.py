"""Every error of the tool, with its exit code.

DeployerError
├── DeployFailed          1   the deploy failed and was undone
├── PlanOutdated          1   another plan was expected than would be executed
├── LedgerError           1   the history cannot be read or written
├── RequestFailed         1   a model server refused a request, or did not answer in time
│   ├── RequestRefused        it answered with an error
│   └── Overloaded            it refused the request for load, also when it was repeated
├── MalformedTensor       1   values, shape and dtype of a tensor do not fit each other
├── UsageError            2   the arguments are wrong
│   ├── InvalidValue          a malformed name, version, port or tensor specification
│   └── EngineConflict        a deployment of that name is on another engine, or on several
├── ConfigError           3   deployer.toml, its overlays, or DEPLOYER_* variables are wrong
│   └── SettingRefused        the engine does not support a setting
├── ModelError            4   model, export or store
│   ├── SourceNotFound        the source does not exist
│   ├── BrokenModel           a SavedModel or model file cannot be read, or could not be served
│   ├── UnknownOp             the server's TensorFlow lacks an op of the model
│   ├── UntrustedCode         loading the model would run code: `--trust`
│   ├── ExportFailed          TensorFlow, Keras or the user's code failed, or the disk is full
│   ├── SourceDiffers         the saved model gives other answers than the source model
│   ├── SourceCrashed         the process that loaded or ran the model crashed
│   ├── GoldenError           examples do not fit the signature, or answers cannot be stored
│   ├── ModelNotFound         the store does not have that model or version
│   └── VersionExists         the version exists already, and is never overwritten
├── TemplateError         5   a template is missing or wrong, or renders an invalid file
├── EngineError           6   the engine failed
│   ├── EngineUnavailable     it does not answer, or is not supported
│   ├── NotOurs               the name belongs to another project, or to none
│   ├── PortTaken             another process listens on the port
│   └── InsufficientMemory    there is not enough memory for old and new at once
├── NotReady              7   the server is not ready in time, or never will be
│   └── NotRunning            the server of a deployment, or its gateway, is not running
├── VerificationFailed    8   the candidate gave wrong answers, or would break clients
├── LockHeld              9   another command holds the lock
├── DeploymentNotFound   10   there is no such deployment
│   └── NoSuchRelease         the history has no such release
└── ExtraMissing         11   an optional package is missing
"""

from __future__ import annotations

from typing import ClassVar

DONE = 0
PLAN_HAS_CHANGES = 20
BREAKING = PLAN_HAS_CHANGES
BUG = 70
INTERRUPTED = 130


class DeployerError(Exception):
    """The base of all errors: the message says what failed, where and why; `hint` is the next command to type.

    `log` has the last lines of the server's log, `results` those parts of the command that succeeded, `notices` what
    the command would have reported with its result, and `serving` which versions serve after the change was undone.
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
        self.serving = ""


class DeployFailed(DeployerError):
    """The deploy failed and was undone."""


class PlanOutdated(DeployerError):
    """Another plan was expected than would be executed now."""


class LedgerError(DeployerError):
    """The history cannot be read or written."""


class RequestFailed(DeployerError):
    """A model server refused a request, or did not answer it in time."""


class RequestRefused(RequestFailed):
    """A model server answered a REST request with an error."""


class Overloaded(RequestFailed):
    """A model server refused a request for load; `reason` says which resource it lacks."""

    def __init__(self, message: str, *, reason: str = "", hint: str | None = None, log: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint, log=log)
        self.reason = reason


class MalformedTensor(DeployerError):
    """Values, shape and dtype of a tensor in a message or an example do not fit each other."""


class UsageError(DeployerError):
    """The arguments of a command are wrong."""

    exit_code = 2
    meaning = "wrong usage"


class InvalidValue(UsageError, ValueError):
    """A malformed name, version, port or tensor specification.

    `key_path` are the keys that lead to it in the configuration.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, log: tuple[str, ...] = (), key_path: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint, log=log)
        self.key_path = key_path


class EngineConflict(UsageError):
    """A deployment of that name is on another engine, or on several."""


class ConfigError(DeployerError):
    """The configuration is wrong; the message names file, key and reason.

    `key` is the setting, where the code that found the error does not know what sets it: the message begins with it.
    """

    exit_code = 3
    meaning = "wrong configuration"

    def __init__(self, message: str, *, key: str = "", hint: str | None = None, log: tuple[str, ...] = ()) -> None:
        super().__init__(f"{key}: {message}" if key else message, hint=hint, log=log)
        self.key = key

    def name_origin(self, origin: str) -> None:
        """Say what sets the key, such as a variable, in the place of the key."""
        self.message = f"{origin}{self.message.removeprefix(self.key)}"
        self.args = (self.message,)
        self.key = origin


class SettingRefused(ConfigError):
    """The engine does not support a setting."""


class ModelError(DeployerError):
    """A model cannot be found, read, exported or stored."""

    exit_code = 4
    meaning = "model or export failed"


class SourceNotFound(ModelError):
    """The source to export does not exist."""


class BrokenModel(ModelError):
    """A SavedModel or model file that cannot be read, or that would fail every request."""


class UnknownOp(ModelError):
    """The server's TensorFlow lacks an op of the model, or cannot read a graph of its version."""


class UntrustedCode(ModelError):
    """Loading the model would run code that it contains."""


class ExportFailed(ModelError):
    """The export failed; nothing was stored."""


class SourceDiffers(ModelError):
    """The saved model gives other golden answers than the source model; nothing was stored."""


class SourceCrashed(ModelError):
    """The process that loaded or ran the model crashed or exited; `log` has its last lines."""


class GoldenError(ModelError):
    """The golden set cannot be made: examples do not fit, or answers cannot be stored."""


class ModelNotFound(ModelError):
    """The store does not have that `version` of a `model`, or none."""

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
    """The version is in the store already, and is never overwritten."""


class TemplateError(DeployerError):
    """A template is missing or wrong, or renders a file that the server cannot parse."""

    exit_code = 5
    meaning = "template failed"


class EngineError(DeployerError):
    """The engine that runs the servers failed."""

    exit_code = 6
    meaning = "engine failed"


class EngineUnavailable(EngineError):
    """The engine does not answer, or is not supported."""


class NotOurs(EngineError):
    """A container or directory with the name of a deployment belongs to another project, or to none."""


class PortTaken(EngineError):
    """Another process listens on a port; `port` is its number, if it is known."""

    def __init__(
        self, message: str, *, port: int | None = None, hint: str | None = None, log: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint, log=log)
        self.port = port


class InsufficientMemory(EngineError):
    """There is not enough memory for old and new at once."""


class NotReady(DeployerError):
    """The server was not ready before the deadline, or never will be."""

    exit_code = 7
    meaning = "not ready in time"


class NotRunning(NotReady):
    """The server of a deployment, or the gateway in front of it, is not running."""


class VerificationFailed(DeployerError):
    """The candidate gave wrong answers or would break clients; it gets no traffic."""

    exit_code = 8
    meaning = "refused by the gate"


class LockHeld(DeployerError):
    """Another command holds the lock of the deployment or model."""

    exit_code = 9
    meaning = "lock held"


class DeploymentNotFound(DeployerError):
    """There is no such deployment."""

    exit_code = 10
    meaning = "nothing deployed"


class NoSuchRelease(DeploymentNotFound):
    """The history has no such release, or none to return to."""


class ExtraMissing(DeployerError):
    """An optional package is missing."""

    exit_code = 11
    meaning = "optional package missing"


def note_undone(error: BaseException, what: str) -> None:
    """Attach to an error or interruption what was undone because of it."""
    vars(error).setdefault("undone", []).append(what)


def undone(error: BaseException) -> tuple[str, ...]:
    """Return what was undone because of an error, in that order."""
    return tuple(vars(error).get("undone", ()))


def exit_codes() -> dict[int, str]:
    """Return every exit code with its meaning."""
    kinds: tuple[type[DeployerError], ...] = (DeployerError, *DeployerError.__subclasses__())
    codes = {kind.exit_code: kind.meaning for kind in kinds if "meaning" in vars(kind)}
    codes |= {
        DONE: "done",
        PLAN_HAS_CHANGES: "plan has changes (--exit-code), or diff is breaking",
        BUG: "bug",
        INTERRUPTED: "interrupted",
    }
    return dict(sorted(codes.items()))
