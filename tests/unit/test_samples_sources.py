import gzip
import os
import shutil
from pathlib import Path

import pytest

from ml_pipeline.errors import SourceError
from ml_pipeline.samples.sources import open_source


def copy_of(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to / "copy", copy_function=shutil.copyfile))


def writable(path: Path) -> Path:
    path.chmod(0o644)
    return path


def test_a_path_where_nothing_is_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"no source at .*/nothing"):
        open_source(tmp_path / "nothing")


def test_a_file_is_no_folder(tmp_path):
    file = tmp_path / "full_dialog.csv"
    file.write_text("", encoding="utf-8")

    with pytest.raises(SourceError, match="is a file; give the folder"):
        open_source(file)


def test_a_folder_of_something_else_is_named_with_what_was_looked_for(tmp_path):
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")

    with pytest.raises(SourceError, match=r"full_dialog\.csv or casino_train\.json"):
        open_source(tmp_path)


@pytest.mark.parametrize("name", ["full_dialog.csv.gz", "full_info.csv.gz", "300_dialog.csv.gz"])
def test_a_truncated_gzip_is_said_to_be_truncated(persuasion: Path, tmp_path: Path, name: str):
    folder = copy_of(persuasion, tmp_path)
    whole = (folder / name).read_bytes()
    writable(folder / name).write_bytes(whole[: len(whole) // 2])

    with pytest.raises(SourceError, match=f"{name} is truncated"):
        open_source(folder)


def test_a_truncated_json_is_said_to_be_malformed(casino: Path, tmp_path: Path):
    folder = copy_of(casino, tmp_path)
    whole = gzip.decompress((folder / "casino_test.json.gz").read_bytes())
    (folder / "casino_test.json.gz").unlink()
    (folder / "casino_test.json").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(SourceError, match=r"casino_test\.json is malformed JSON"):
        open_source(folder)


def test_endless_nesting_is_no_set(casino: Path, tmp_path: Path):
    folder = copy_of(casino, tmp_path)
    writable(folder / "casino_test.json.gz").write_bytes(gzip.compress(b"[" * 200_000))

    with pytest.raises(SourceError, match="nested too deep"):
        open_source(folder)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\x1f\x8bnot really gzip", "gzip|truncated"),
        (b"plain text in a .gz", "no sound gzip"),
        (b"", "lacks the columns"),
        (gzip.compress(b"a,b,c\n1,2,3\n"), "lacks the columns B2, B4, Turn, Unit"),
        (gzip.compress(b"Unit,Turn,B4,B2\n\xff\xfe,0,0,x\n"), "not UTF-8"),
        (gzip.compress(b'Unit,Turn,B4,B2\n"never closed,0,0,x\n'), "malformed CSV"),
        (gzip.compress(b"Unit,Turn,B4,B2\n" + b'"' + b"x" * 200_000 + b'",0,0,x\n'), "malformed CSV"),
    ],
    ids=["broken_gzip", "no_gzip", "empty", "other_columns", "not_utf8", "open_quote", "endless_field"],
)
def test_garbage_in_a_file_is_named_with_the_remedy(persuasion: Path, tmp_path: Path, content: bytes, complaint: str):
    folder = copy_of(persuasion, tmp_path)
    writable(folder / "full_dialog.csv.gz").write_bytes(content)

    with pytest.raises(SourceError, match=complaint) as caught:
        open_source(folder)

    assert "full_dialog.csv.gz" in str(caught.value)


def test_a_missing_file_is_named(persuasion: Path, tmp_path: Path):
    folder = copy_of(persuasion, tmp_path)
    (folder / "full_info.csv.gz").unlink()

    with pytest.raises(SourceError, match=r"lacks full_info\.csv \(or full_info\.csv\.gz\)"):
        open_source(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_named(persuasion: Path, tmp_path: Path):
    folder = copy_of(persuasion, tmp_path)
    (folder / "full_dialog.csv.gz").chmod(0)

    with pytest.raises(SourceError, match="cannot read"):
        open_source(folder)


def test_plain_files_read_like_their_gzipped_twins(persuasion: Path, tmp_path: Path):
    folder = copy_of(persuasion, tmp_path)
    for path in folder.glob("*.csv.gz"):
        (folder / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()

    assert open_source(folder) == open_source(persuasion)
