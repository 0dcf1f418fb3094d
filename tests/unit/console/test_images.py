"""Images are their name, their id and what is in them."""

from __future__ import annotations

import dataclasses

from support.results import BUILT, PUSHED

from deployer import console


def test_an_image_is_shown_with_its_contents(capsys):
    console.images.show_built(BUILT)
    shown = capsys.readouterr()
    first, contents, digest, *_ = shown.out.splitlines()
    assert first.split() == ["r.io/m:1", "built", "sha256:1"]
    assert "1.00 MiB on base:1" in contents
    assert digest.strip() == "r.io/m@sha256:2"
    assert "a note" in shown.err


def test_an_image_without_verification_that_was_there_is_unchanged(capsys):
    console.images.show_built(dataclasses.replace(BUILT, created=False, report=None, digests=(), notices=()))
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0].split()[1] == "unchanged"
    assert len(shown.out.splitlines()) == 2
    assert shown.err == ""


def test_a_quiet_build_prints_the_name_alone(capsys):
    console.images.show_built(BUILT, quiet=True)
    assert capsys.readouterr().out == "r.io/m:1\n"


def test_a_push_prints_the_reference_by_digest(capsys):
    console.images.show_pushed(PUSHED)
    assert capsys.readouterr() == ("r.io/m@sha256:2\n", "")


def test_a_push_notes_on_stderr_that_a_tag_moved(capsys):
    console.images.show_pushed(dataclasses.replace(PUSHED, notices=("it moved",)))
    shown = capsys.readouterr()
    assert shown.out == "r.io/m@sha256:2\n"
    assert "it moved" in shown.err
