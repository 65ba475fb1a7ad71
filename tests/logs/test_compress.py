"""Packing rotated files, also where somebody else may write in their folder."""

import gzip
import os
from pathlib import Path

import pytest
import trio

from oxtrio.logs.compress import compress_rotated
from oxtrio.logs.rotation import Moves

DEADLINE = 30


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pipe", "link"])
async def test_what_is_no_file_of_ours_is_left_alone(tmp_path: Path, kind: str) -> None:
    log, secret = tmp_path / "a.log", tmp_path / "secret"
    secret.write_text("not for them\n")
    (tmp_path / "a.log.2").write_text("ours\n")
    strange = tmp_path / "a.log.1"
    if kind == "pipe":
        os.mkfifo(strange)
    else:
        strange.symlink_to(secret)

    with trio.fail_after(DEADLINE):
        await compress_rotated(str(log), Moves())

    assert gzip.decompress((tmp_path / "a.log.2.gz").read_bytes()) == b"ours\n"
    assert sorted(os.listdir(tmp_path)) == ["a.log.1", "a.log.2.gz", "secret"]
