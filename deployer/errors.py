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

    Cause: a permission, a full disk or a name that is too long, as the system reports it.
    Remedy: what the message names; then run the command again.
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
    """The deploy failed and was undone.

    Cause: a step failed that is no check: more requests failed, or for longer, than the limits allow.
    Remedy: read the message and the log below it. `--max-failures` and `--max-gap` allow more.
    """


class PlanOutdated(DeployerError):
    """Another plan was expected than would be executed now.

    Cause: the deployment, the store, the source or a setting has changed since `plan` showed the digest, or another
    engine is selected.
    Remedy: `deployer plan` shows the new plan; `up --expect` takes its digest.
    """


class LedgerError(DeployerError):
    """The history cannot be read or written.

    Cause: the disk is full, or `.deployer/ledger.db` is damaged or belongs to another user.
    Remedy: free space, or correct the owner. Without the file only the history is lost.
    """


class RequestFailed(DeployerError):
    """A model server refused a request, or did not answer it in time.

    Cause: the server is busy, has stopped, or is no model server; the network is interrupted.
    Remedy: `deployer status` and `deployer logs` show the server; `--timeout` waits longer.
    """


class RequestRefused(RequestFailed):
    """A model server answered a REST request with an error.

    Cause: the request does not fit the signature, or names a version or label that is not served.
    Remedy: `deployer inspect NAME` shows the signatures and a sample request.
    """


class Overloaded(RequestFailed):
    """A model server refused a request for load; `reason` says which resource it lacks.

    Cause: too few threads or too little memory for the requests that arrive at once.
    Remedy: send fewer at once and retry, or raise `grpc_max_threads` or the memory of the server.
    """

    def __init__(self, message: str, *, reason: str = "", hint: str | None = None, log: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint, log=log)
        self.reason = reason


class MalformedTensor(DeployerError):
    """Values, shape and dtype of a tensor in a message or an example do not fit each other.

    Cause: an example has too few values, another dtype, or text where numbers belong.
    Remedy: compare the example with `deployer inspect NAME`.
    """


class UsageError(DeployerError):
    """The arguments of a command are wrong.

    Cause: a mistyped command or option, a missing argument, or options that contradict each other.
    Remedy: `deployer help COMMAND` shows what the command takes.
    """

    exit_code = 2
    meaning = "wrong usage"


class InvalidValue(UsageError, ValueError):
    """A malformed name, version, port or tensor specification.

    `key_path` are the keys that lead to it in the configuration.

    Cause: a name with other characters than letters, digits, `_`, `.` and `-`, or a number out of range.
    Remedy: the hint shows a value of the right form.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, log: tuple[str, ...] = (), key_path: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint, log=log)
        self.key_path = key_path


class EngineConflict(UsageError):
    """A deployment of that name is on another engine, or on several.

    Cause: the name is deployed on `docker`, and the command chose `embedded`, or on both.
    Remedy: add `--engine`, or take one down with `deployer down NAME --engine ENGINE`.
    """


class ConfigError(DeployerError):
    """The configuration is wrong; the message names file, key and reason.

    `key` is the setting, where the code that found the error does not know what sets it: the message begins with it.

    Cause: an unknown key, a value of the wrong type, or a variable that is not set.
    Remedy: correct the key that the message names; `docs/deployer.schema.json` helps editors find it.
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
    """The engine does not support a setting.

    Cause: a setting of containers on the embedded engine, or a gateway where there is none.
    Remedy: remove the setting, or choose an engine that supports it: see [capabilities](capabilities.md).
    """


class ModelError(DeployerError):
    """A model cannot be found, read, exported or stored.

    Cause: the store cannot be read or written, or a version in it is damaged.
    Remedy: put the files back, or export again with `--force`.
    """

    exit_code = 4
    meaning = "model or export failed"


class SourceNotFound(ModelError):
    """The source to export does not exist.

    Cause: a mistyped path, or a path relative to another directory.
    Remedy: check the path; those in `deployer.toml` are relative to its directory.
    """


class BrokenModel(ModelError):
    """A SavedModel or model file that cannot be read, or that would fail every request.

    Cause: an interrupted copy, a Git LFS pointer instead of the file, or a file of another format.
    Remedy: save or download the model again.
    """


class UnknownOp(ModelError):
    """The server's TensorFlow lacks an op of the model, or cannot read a graph of its version.

    Cause: the model was saved by a newer TensorFlow, or uses ops of a library such as TensorFlow Text.
    Remedy: choose a newer `--image`, or export without the op.
    """


class UntrustedCode(ModelError):
    """Loading the model would run code that it contains.

    Cause: a Keras file with a Lambda layer.
    Remedy: `--trust`, if you trust its author; better, replace the layer by a custom one.
    """


class ExportFailed(ModelError):
    """The export failed; nothing was stored.

    Cause: the model's code fails while TensorFlow traces it, or the disk is full.
    Remedy: read the log, which has the line of your code; free space.
    """


class SourceDiffers(ModelError):
    """The saved model gives other golden answers than the source model; nothing was stored.

    Cause: a layer that behaves differently when it is saved, or random values outside of TensorFlow.
    Remedy: the message names the signature and the input; correct the model.
    """


class SourceCrashed(ModelError):
    """The process that loaded or ran the model crashed or exited; `log` has its last lines.

    Cause: not enough memory, or a native library that ended Python.
    Remedy: the log has the last lines; give it more memory, or load the model in a plain Python first.
    """


class GoldenError(ModelError):
    """The golden set cannot be made: examples do not fit, or answers cannot be stored.

    Cause: `--examples` with other inputs than the signature, or a damaged golden set.
    Remedy: compare the examples with `deployer inspect`; export again with `--force`.
    """


class ModelNotFound(ModelError):
    """The store does not have that `version` of a `model`, or none.

    Cause: a mistyped name or version, another `--models-dir`, or a version that was pruned.
    Remedy: `deployer versions` lists what the store has.
    """

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
    """The version is in the store already, and is never overwritten.

    Cause: `--version` names a version of the store.
    Remedy: choose another number, or none: the next is taken.
    """


class TemplateError(DeployerError):
    """A template is missing or wrong, or renders a file that the server cannot parse.

    Cause: an own template in `templates_dir` with an undefined value, or text that is no valid file.
    Remedy: `deployer render` shows the file; the error names template and line.
    """

    exit_code = 5
    meaning = "template failed"


class EngineError(DeployerError):
    """The engine that runs the servers failed.

    Cause: the engine refused a call, or its disk or address pools are used up.
    Remedy: `deployer doctor` checks the engine; the message has its own words.
    """

    exit_code = 6
    meaning = "engine failed"


class EngineUnavailable(EngineError):
    """The engine does not answer, or is not supported.

    Cause: the Docker Engine is not started, or your user may not use it.
    Remedy: `systemctl start docker`, or `--engine embedded`; `deployer doctor` says what is missing.
    """


class NotOurs(EngineError):
    """A container or directory with the name of a deployment belongs to another project, or to none.

    Cause: a container, service or directory with this name that another project or a person made.
    Remedy: choose another `--name` or `--project`, or remove it yourself.
    """


class PortTaken(EngineError):
    """Another process listens on a port; `port` is its number, if it is known.

    Cause: another deployment or program listens on the port.
    Remedy: `--rest-port 0 --grpc-port 0` takes free ones; the message names the holder, if it is known.
    """

    def __init__(
        self, message: str, *, port: int | None = None, hint: str | None = None, log: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint, log=log)
        self.port = port


class InsufficientMemory(EngineError):
    """There is not enough memory for old and new at once.

    Cause: old and new server do not fit into memory together.
    Remedy: `deployer down`, then `up`, with a gap; or `gate.check_memory = false`.
    """


class NotReady(DeployerError):
    """The server was not ready before the deadline, or never will be.

    Cause: a large model, a slow machine, or a server that refuses its files or flags.
    Remedy: read its log in the error; `--timeout` waits longer.
    """

    exit_code = 7
    meaning = "not ready in time"


class NotRunning(NotReady):
    """The server of a deployment, or the gateway in front of it, is not running.

    Cause: the server was stopped, was killed for memory, or the machine was restarted.
    Remedy: `deployer up` or `redeploy` starts it again; `deployer logs` shows its last words.
    """


class VerificationFailed(DeployerError):
    """The candidate gave wrong answers or would break clients; it gets no traffic.

    Cause: other answers than TensorFlow's, a slower candidate than `--max-slowdown` allows, or a changed signature.
    Remedy: the checks in the error say what differs. `--allow-breaking` accepts changed signatures.
    """

    exit_code = 8
    meaning = "refused by the gate"


class LockHeld(DeployerError):
    """Another command holds the lock of the deployment or model.

    Cause: another deploy of the same name is under way, or was stopped on another machine.
    Remedy: `--lock-wait SECONDS` waits; `deployer unlock NAME` shows who holds it.
    """

    exit_code = 9
    meaning = "lock held"


class DeploymentNotFound(DeployerError):
    """There is no such deployment.

    Cause: a mistyped name, another environment, project or Docker Engine, or it was taken down.
    Remedy: `deployer status --all` lists the environments, `--all-projects` all of them.
    """

    exit_code = 10
    meaning = "nothing deployed"


class NoSuchRelease(DeploymentNotFound):
    """The history has no such release, or none to return to.

    Cause: the first release has none before it, or the history was deleted.
    Remedy: `deployer history NAME` lists the releases; `redeploy --version` serves a version.
    """


class ExtraMissing(DeployerError):
    """An optional package is missing.

    Cause: the light installation has no TensorFlow, or a source needs Keras 2, JAX or h5py.
    Remedy: `pip install` what the hint names.
    """

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
