"""`image build` against `docker build` of the Dockerfile that `render dockerfile` writes, from the same version."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import DEPLOYER, SECONDS, process, show, timed

ROUNDS = 5
MEGABYTES = (1, 512)
IMAGE = os.environ.get("DEPLOYER_TEST_IMAGE", "")
MODEL = Path(__file__).parents[1] / "tests" / "contract" / "server" / "data" / "models" / "half_plus_two" / "1"
OURS, THEIRS = "benchmark/half:1", "benchmark/by-docker:1"
BY_DOCKER, BUILD, AGAIN = "docker build --no-cache", "deployer image build", "deployer image build, unchanged"


def main() -> None:
    """A table for each size of the version. Neither verifies what it has built."""
    if not IMAGE:
        print("\n### Images\n\nleft out: DEPLOYER_TEST_IMAGE names no image (docker/testbed/testbed.sh makes one)")
        return
    for size in MEGABYTES:
        with tempfile.TemporaryDirectory() as name:
            _compare(Path(name), size)


def _compare(directory: Path, size: int) -> None:
    version = Path(shutil.copytree(MODEL, directory / "models" / "half" / "1"))
    (version / "assets.extra").mkdir()
    filler = random.Random(7)
    with (version / "assets.extra" / "filler").open("wb") as file:
        for _ in range(size):
            file.write(filler.randbytes(1 << 20))
    (directory / "deployer.toml").write_text(f'project = "benchmark"\n[docker]\nimage = "{IMAGE}"\n')
    process(DEPLOYER, "render", "dockerfile", "half", "--out", "context", cwd=directory)()
    shutil.copytree(directory / "models", directory / "context" / "models", copy_function=os.link)
    build = process(DEPLOYER, "image", "build", "half", "--skip-gate", "-q", cwd=directory)
    candidates: dict[str, tuple[Callable[[], object], str]] = {
        BY_DOCKER: (_docker("build", "--no-cache", "--quiet", "--tag", THEIRS, str(directory / "context")), THEIRS),
        BUILD: (build, ""),
        AGAIN: (build, OURS),
    }
    seconds: dict[str, list[float]] = {each: [] for each in candidates}
    for number in range(ROUNDS + 1):
        for each, (run, remove) in candidates.items():
            took = timed(run)
            if number:
                seconds[each].append(took)
            if remove:
                _docker("rmi", remove)()
    show(f"An image with a version of {size} MiB", seconds, BY_DOCKER)


def _docker(*arguments: str) -> Callable[[], object]:
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}

    def run() -> None:
        subprocess.run(["docker", *arguments], env=environment, capture_output=True, timeout=SECONDS, check=True)

    return run


if __name__ == "__main__":
    main()
