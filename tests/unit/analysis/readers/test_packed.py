"""Compressed files and archives: read whatever their name, never extracted, bounded."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import tarfile
from pathlib import Path

import pytest

from bootcheck.analysis import analyze
from tests.unit.analysis.making import LOGS, classes, report

LOG = (LOGS / "dependency-missing" / "worker-23.0.0.log").read_bytes()


def archive(path: Path, members: dict[str, bytes], mode: str = "w:gz", kind: bytes = tarfile.REGTYPE) -> Path:
    """Write a tar archive."""
    with tarfile.open(path, mode) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.type = kind
            info.size = len(data)
            info.linkname = "/etc/passwd" if kind == tarfile.SYMTYPE else ""
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
def test_compressed_logs(tmp_path: Path, compress):
    """Told by content: the name says nothing."""
    path = tmp_path / "app.log"
    path.write_bytes(compress(LOG))

    assert classes(analyze([str(path)])) == [("dependency-missing", 1)]


def test_zstandard(tmp_path: Path):
    """With the extra installed it is read like the others."""
    zstandard = pytest.importorskip("zstandard")
    path = tmp_path / "app.log.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(LOG))

    assert classes(analyze([str(path)])) == [("dependency-missing", 1)]


def test_zstandard_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The missing extra is named with its pip line."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    path = tmp_path / "app.log.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
    found = analyze([str(path)])

    assert found.exit_code == 2
    assert "pip install 'bootcheck[zstd]'" in found.inputs.unreadable[0]["reason"]


def test_rotated_files_one_after_the_other(tmp_path: Path):
    """Several compressed streams in one file are one log."""
    path = tmp_path / "app.log.gz"
    path.write_bytes(gzip.compress(LOG[:500]) + gzip.compress(LOG[500:]))

    assert classes(analyze([str(path)])) == [("dependency-missing", 1)]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_archives(tmp_path: Path, mode: str):
    """Every regular file inside is read, a compressed one too; the evidence names archive and member."""
    path = archive(
        tmp_path / "logs.tar", {"var/log/app.log": LOG, "old/crash.json.gz": gzip.compress(report().encoded())}, mode
    )
    found = analyze([str(path)])

    assert {name for name, _ in classes(found)} == {"dependency-missing", "app-exception"}
    sources = {item.source for incident in found.incidents for item in incident.evidence}
    assert f"{path}/var/log/app.log" in sources


def test_nothing_is_extracted_and_no_link_is_believed(tmp_path: Path):
    """Names that climb are labels, links are passed over."""
    before = set(tmp_path.parent.rglob("*"))
    path = archive(tmp_path / "evil.tar.gz", {"../../../escaped.log": LOG})
    links = archive(tmp_path / "links.tar", {"passwd": b""}, "w", tarfile.SYMTYPE)
    found = analyze([str(path), str(links)])

    assert classes(found) == [("dependency-missing", 1)]
    assert not any("passwd" in str(item) for item in found.as_dict()["incidents"])
    assert set(tmp_path.parent.rglob("*")) - before == {path, links}


def test_a_decompression_bomb_ends_early(tmp_path: Path):
    """A gigabyte of zeros in a megabyte is given up, and said."""
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=9) as out:
        for _ in range(40):
            out.write(bytes(1 << 20))
    found = analyze([str(path)])

    assert found.exit_code in (0, 2)
    assert any("bomb" in item["reason"] or "binary" in item["reason"] for item in found.inputs.unreadable)


def test_a_bomb_of_text_keeps_what_stands_before_it(tmp_path: Path):
    """What was read until then is told."""
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=9) as out:
        out.write(LOG)
        for _ in range(40):
            out.write(b"x" * ((1 << 20) - 1) + b"\n")
    found = analyze([str(path)])

    assert classes(found) == [("dependency-missing", 1)]
    assert "bomb" in found.inputs.unreadable[0]["reason"]


@pytest.mark.parametrize("cut", [20, 150, 400])
def test_a_cut_file_is_read_as_far_as_it_goes(tmp_path: Path, cut: int):
    """The damage is listed with the reason."""
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(LOG)[:cut])
    found = analyze([str(path)])

    assert "damaged or cut" in found.inputs.unreadable[0]["reason"]


def test_one_damaged_member_does_not_hide_the_others(tmp_path: Path):
    """The rest of the archive is read."""
    path = archive(tmp_path / "mixed.tar", {"a.log.gz": gzip.compress(LOG)[:60], "b.log": LOG}, "w")
    found = analyze([str(path)])

    assert classes(found) == [("dependency-missing", 1)]
    assert found.inputs.unreadable[0]["source"].endswith("a.log.gz")


def test_archives_in_archives_end(tmp_path: Path):
    """Beyond three levels it says so."""
    data = LOG
    for _ in range(5):
        data = gzip.compress(data)
    path = tmp_path / "onion.gz"
    path.write_bytes(data)

    assert "archives inside archives" in analyze([str(path)]).inputs.unreadable[0]["reason"]


def test_a_zip_is_named_as_such(tmp_path: Path):
    """It is not read as text, and the way out is said."""
    path = tmp_path / "logs.zip"
    path.write_bytes(b"PK\x03\x04" + bytes(100))

    assert "unpack it" in analyze([str(path)]).inputs.unreadable[0]["reason"]
