from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from recbole_xlrec.data.files import existing_file, file_hash, replacing
from recbole_xlrec.errors import DataError


def test_the_hash_is_sha256_of_the_whole_file_whatever_its_size(tmp_path: Path) -> None:
    content = b"x" * (3 * (1 << 20) + 7)
    (tmp_path / "a").write_bytes(content)
    assert file_hash(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_a_failed_replacement_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def interrupted() -> None:
        with replacing(target) as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_new_file_appears_only_when_complete(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "a.txt"
    with replacing(target) as partial:
        partial.write_text("new")
        assert not target.exists()
        assert partial.parent == target.parent
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_a_reader_of_the_old_file_keeps_it_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with target.open() as reader:
        with replacing(target) as partial:
            partial.write_text("new")
        assert reader.read() == "old"


def test_a_missing_file_is_met_with_the_folders_content_and_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "toy.inter").touch()
    (tmp_path / "toy.item").touch()
    with pytest.raises(DataError, match=r"holds 'toy\.inter', 'toy\.item'\. Did you mean 'toy\.item'"):
        existing_file(tmp_path / "toy.itm")


def test_a_missing_folder_and_a_folder_in_place_of_a_file_are_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*nowhere"):
        existing_file(tmp_path / "nowhere" / "toy.item")
    with pytest.raises(DataError, match="is a folder, not a file; it holds no files"):
        existing_file(tmp_path)
