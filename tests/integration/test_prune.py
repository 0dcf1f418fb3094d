"""`prune` takes only what nothing serves, what rollback does not need, and what is not new."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.cli import ANY_PORTS, deployer


def run(project: Path, *arguments: str) -> dict:
    ended = deployer(*arguments, "--json", cwd=project)
    assert ended.code == 0, ended.err + ended.out
    return ended.json


def there(project: Path) -> list[int]:
    home = project / "models" / "half_plus_two"
    return sorted(int(path.name) for path in home.iterdir())


def removed(result: dict) -> list[int]:
    return [model["version"] for model in result["removed"]]


def test_what_serves_what_rollback_needs_and_what_is_new_stays(project):
    home = project / "models" / "half_plus_two"
    for version in range(4, 10):
        shutil.copytree(home / "1", home / str(version))
    for version in (4, 2, 5):
        run(project, "up", f"half_plus_two:{version}", "-q", "--skip-gate", *ANY_PORTS)
    run(project, "up", "half_plus_two:6", "-q", "--env", "staging", *ANY_PORTS)
    foreseen = run(project, "prune", "half_plus_two", "--keep", "2", "--dry-run")
    assert (removed(foreseen), there(project)) == ([1, 3, 4, 7], list(range(1, 10)))
    reasons = {model["version"]: reason for model, reason in zip(foreseen["kept"], foreseen["reasons"], strict=True)}
    assert reasons == {
        2: "rollback of half_plus_two [local] needs it",
        5: "deployed as half_plus_two [local]",
        6: "deployed as half_plus_two [staging]",
        8: "one of the 2 newest versions",
        9: "one of the 2 newest versions",
    }
    done = run(project, "prune", "half_plus_two", "--keep", "2")
    assert (removed(done), done["done"], there(project)) == ([1, 3, 4, 7], True, [2, 5, 6, 8, 9])
    assert removed(run(project, "prune", "half_plus_two", "--keep", "2")) == []
    assert run(project, "rollback", "half_plus_two", "-q")["models"][0]["versions"] == [2]
    assert deployer("prune", "--keep", "0", cwd=project).code == 2
    assert deployer("prune", "nobody", cwd=project).code == 4
