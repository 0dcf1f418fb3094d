"""The package as people get it: sdist, wheel from the sdist, a fresh environment, and no checkout in reach."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from support.cli import environment
from support.world import MODELS

from deployer import __version__

ROOT = Path(__file__).parents[2]


def run(*arguments: str | Path, cwd: Path) -> str:
    ended = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from an unpacked sdist, so that the sdist is proven to hold all that a build needs."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", out, cwd=ROOT)
    (sdist,) = out.glob("*.tar.gz")
    shutil.unpack_archive(sdist, out)
    source = out / sdist.name.removesuffix(".tar.gz")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=source)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a fresh environment with the wheel; what it depends on is seen in this one, by a `.pth` file."""
    home = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", home, cwd=home)
    run(home / "bin" / "pip", "install", "-q", "--no-deps", "--no-index", wheel, cwd=home)
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin"


def test_the_version_is_the_packages(scripts: Path, tmp_path: Path) -> None:
    assert run(scripts / "deployer", "--version", cwd=tmp_path) == f"deployer {__version__}\n"
    assert f"-{__version__}-" in next(scripts.parent.glob("lib/python*/site-packages/tf_deployer-*")).name.replace(
        ".dist-info", "-"
    )


def test_the_installed_code_is_what_runs(scripts: Path, tmp_path: Path) -> None:
    where = run(scripts / "python", "-c", "import deployer; print(deployer.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(scripts.parent)


def test_templates_are_shipped_and_render(scripts: Path, tmp_path: Path) -> None:
    shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / "models" / "half_plus_two" / "1")
    text = run(scripts / "deployer", "render", "half_plus_two", cwd=tmp_path)
    assert f'base_path: "{tmp_path}/models/half_plus_two"' in text
    run(scripts / "deployer", "init", "--name", "digits", cwd=tmp_path)
    assert "[models.digits]" in (tmp_path / "deployer.toml").read_text()


def test_the_wheel_holds_what_it_should_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"deployer/_templates/{path.name}" for path in (ROOT / "templates").iterdir()} <= names
    assert {
        "deployer/deployer.schema.json",
        "deployer/results.schema.json",
        "deployer/py.typed",
        "deployer/server/__main__.py",
    } <= names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"deployer", "tf_deployer"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


TYPED = """
import deployer

def serve(path: str) -> str:
    try:
        result: deployer.UpResult = deployer.up(path, options=deployer.ExportOptions(name="digits"))
    except deployer.VerificationFailed as error:
        for check in error.results:
            print(check)
        return error.hint or error.message
    except (deployer.NotReady, deployer.DeployerError) as error:
        raise SystemExit(error.exit_code) from error
    found: tuple[deployer.DeploymentStatus, ...] = deployer.status(settings=deployer.Settings(env="local"))
    for each in found:
        served: tuple[deployer.ServedModel, ...] = each.deployment.models
        print(each.deployment.endpoints.rest, [(model.name, model.versions) for model in served])
    exported: deployer.Model = deployer.export_model(path).model
    down: deployer.DownResult = deployer.down(exported.name)
    print(down, deployer.__version__.upper())
    return result.endpoints.grpc if result.endpoints else ""
"""


def types(scripts: Path, program: Path) -> tuple[int, str]:
    """What `mypy --strict` says of a program in the environment with the wheel."""
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", scripts / "python", "--no-incremental"]
    ended = subprocess.run(
        [*command, program], cwd=program.parent, capture_output=True, text=True, timeout=300, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_a_program_that_uses_the_package_passes_a_strict_type_check(scripts: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(TYPED)
    assert types(scripts, tmp_path / "program.py") == (0, "Success: no issues found in 1 source file\n")


def test_and_one_that_uses_it_wrongly_does_not(scripts: Path, tmp_path: Path) -> None:
    wrong = {"up": "deployer.up(1)", "result": "deployer.status().rest", "error": "deployer.NotReady('x').hints"}
    wrong |= {"name": "deployer.NoSuchThing"}
    (tmp_path / "program.py").write_text("import deployer\n" + "".join(f"{text}\n" for text in wrong.values()))
    code, text = types(scripts, tmp_path / "program.py")
    assert code == 1
    assert [f"program.py:{line}: error" in text for line in range(2, 2 + len(wrong))] == [True] * len(wrong), text
