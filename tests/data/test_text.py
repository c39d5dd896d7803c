"""Text: tokenizers, sequences, and the data sets made of them."""

import builtins

import numpy as np
import pytest

from laser_phy.data import (
    Bpe,
    Bytes,
    DataError,
    Dirichlet,
    Feed,
    Iid,
    Pydocs,
    TextFile,
    Wikitext103,
)
from laser_phy.data.text import _hugging_face
from laser_phy.data.tokenizers import BpeTokenizer, _pieces
from laser_phy.data.windows import windows

HARD = "Ünïcode — 学习 🙂\n\n\n  tabs\tand   spaces \r\n no end"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def english() -> str:
    return Pydocs().texts()[0][:60_000]


@pytest.mark.parametrize("settings", [Bytes(), Bpe(vocabulary=400)], ids=["bytes", "bpe"])
def test_contract_of_every_tokenizer(settings, english: str) -> None:
    tokenizer = settings.fit(english)
    for text in (english[:500], HARD, ""):
        tokens = tokenizer.encode(text)
        assert tokens.dtype == np.int32
        assert tokens.ndim == 1
        assert tokenizer.decode(tokens) == text
        assert tokens.size == 0 or 0 <= tokens.min() <= tokens.max() < tokenizer.vocabulary
    # A sequence may begin or end within a character: that is no error.
    assert isinstance(tokenizer.decode(tokenizer.encode("🙂")[:1]), str)


def test_bytes_are_utf8() -> None:
    tokenizer = Bytes().fit("")
    assert tokenizer.vocabulary == 256
    assert tokenizer.encode("aé").tolist() == [97, 195, 169]


def test_bpe_joins_frequent_pairs_and_is_trained_once(english: str, tmp_path) -> None:
    settings = Bpe(vocabulary=500)
    first = settings.fit(english)
    assert isinstance(first, BpeTokenizer)
    assert first.vocabulary == 500
    assert len(first.encode(english)) < 0.6 * len(english)
    (kept,) = (tmp_path / "cache" / "laser_phy").iterdir()
    # The second time it is read, not trained: what was kept is what is used.
    written = kept.stat().st_mtime_ns
    again = settings.fit(english)
    assert isinstance(again, BpeTokenizer)
    assert again.to_json() == first.to_json()
    assert kept.stat().st_mtime_ns == written
    # Trained anew it is the same; a broken file is made anew.
    kept.write_text("broken")
    anew = settings.fit(english)
    assert isinstance(anew, BpeTokenizer)
    assert anew.to_json() == first.to_json()
    # Another text or another size is another tokenizer.
    assert Bpe(vocabulary=500).fit(english[:30_000]).encode(HARD).size
    assert Bpe(vocabulary=300).fit(english).vocabulary == 300
    assert len(list(kept.parent.iterdir())) == 3
    # A trained tokenizer can be given as a file, and then nothing is trained.
    (tmp_path / "tokenizer.json").write_text(first.to_json())
    given = Bpe(path=str(tmp_path / "tokenizer.json")).fit("")
    np.testing.assert_array_equal(given.encode(english[:900]), first.encode(english[:900]))


def test_bpe_works_where_nothing_can_be_kept(english: str, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert Bpe(vocabulary=300).fit(english).vocabulary == 300


def test_long_texts_are_cut_at_ends_of_lines() -> None:
    text = ("x" * 999 + "\n") * 3000 + "the end"
    pieces = _pieces(text)
    assert len(pieces) == 3
    assert "".join(pieces) == text
    assert all(piece.endswith("\n") for piece in pieces[:-1])
    assert _pieces("") == []


def test_missing_libraries_and_files_are_explained(tmp_path, monkeypatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest):
        if name in ("tokenizers", "datasets"):
            raise ImportError(name)
        return real(name, *rest)

    (tmp_path / "t.json").write_text("{}")
    with pytest.raises(DataError, match=r"is not a tokenizer\.json"):
        Bpe(path=str(tmp_path / "t.json")).fit("")
    with pytest.raises(DataError, match="is not a file"):
        Bpe(path=str(tmp_path)).fit("")
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(DataError, match=r"pip install 'laser-phy\[text\]', or write tokenizer"):
        Bpe().fit("text")
    with pytest.raises(DataError, match=r"pip install 'laser-phy\[text\]', or path: to a folder"):
        _hugging_face("train")


def test_targets_are_the_tokens_that_follow() -> None:
    x, y = windows(np.arange(24, dtype=np.int32), 5, "training")
    np.testing.assert_array_equal(x, np.arange(20).reshape(4, 5))
    np.testing.assert_array_equal(y, x + 1)
    assert windows(np.arange(6, dtype=np.int32), 5, "training")[0].shape == (1, 5)
    with pytest.raises(DataError, match="context must be < 5, the tokens of the test text; got 5"):
        windows(np.arange(5, dtype=np.int32), 5, "test")


def test_pydocs_come_with_python() -> None:
    found = Pydocs(context=64).load()
    assert (found.kind, found.num_classes, found.input_shape) == ("text", 256, (64,))
    assert found.x_train.shape[0] > 5000
    assert found.x_train.dtype == found.y_train.dtype == np.int32
    share = len(found.x_test) / (len(found.x_train) + len(found.x_test))
    assert abs(share - 0.1) < 0.01
    train, test = Pydocs().texts()
    assert found.tokenizer is not None
    assert found.tokenizer.decode(found.x_train[0]) == train[:64]
    assert found.tokenizer.decode(found.x_test[0]) == test[:64]
    few = Pydocs(context=64, test_sequences=10).load()
    assert few.x_test.shape == few.y_test.shape == (10, 64)


def test_text_is_split_by_position(tmp_path) -> None:
    (tmp_path / "own.txt").write_text("a" * 900 + "é" * 50 + "b" * 50, "utf-8")
    settings = TextFile(path=str(tmp_path / "own.txt"), context=9, test_fraction=0.1)
    found = settings.load()
    assert (found.x_train == ord("a")).all()
    assert ord("a") not in found.x_test
    assert len(found.x_test) == (150 - 1) // 9
    with pytest.raises(DataError, match=r"does not exist.*must be a text file"):
        TextFile(path="no/such/text").load()
    with pytest.raises(DataError, match="is a folder"):
        TextFile(path=str(tmp_path)).load()
    (tmp_path / "own.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not text in UTF-8"):
        settings.load()
    (tmp_path / "own.txt").write_text("")
    with pytest.raises(DataError, match="context must be < 0, the tokens of the training text"):
        settings.load()


def test_wikitext_from_local_files(tmp_path) -> None:
    (tmp_path / "wiki.train.raw").write_text(" = Title = \n words of the training part\n" * 9)
    (tmp_path / "wiki.valid.tokens").write_text("valid" * 9)
    settings = Wikitext103(path=str(tmp_path), context=8)
    found = settings.load()
    assert found.tokenizer is not None
    assert found.tokenizer.decode(found.x_train[0]) == " = Title"
    assert found.tokenizer.decode(found.x_test[0]) == "validval"
    with pytest.raises(DataError, match=r"a folder with wiki\.test\.raw or wiki\.test\.tokens"):
        Wikitext103(path=str(tmp_path), evaluation="test").load()


def test_random_windows_start_anywhere_near_their_own_place(tmp_path) -> None:
    # Each token says where it stands, so that a window shows where it was cut.
    stream = np.arange(1601, dtype=np.int32)
    x, y = windows(stream, 16, "training")
    from laser_phy.data.windows import random_windows

    shards = Iid().split(y, 2, seed=0)
    feed = Feed(x, y, shards, 10, seed=3, sampler=random_windows)
    late = []
    for epoch in range(4):
        order = feed.indices(epoch)
        for indices, (tokens, targets) in zip(order, feed.dataset(epoch), strict=False):
            tokens, targets = np.asarray(tokens), np.asarray(targets)
            np.testing.assert_array_equal(targets, tokens + 1)
            np.testing.assert_array_equal(tokens, tokens[:, :1] + np.arange(16))
            late.append(tokens[:, 0] - 16 * indices)
    spread = np.concatenate(late)
    assert set(spread) == set(range(16))
    again = Feed(x, y, shards, 10, seed=3, sampler=random_windows).dataset(2)
    first = next(iter(again))[0][:, 0]
    np.testing.assert_array_equal(
        np.asarray(first) - 16 * feed.indices(2)[0], late[2 * feed.rounds_per_epoch]
    )
    assert (late[0] != late[feed.rounds_per_epoch]).any()


def test_windows_setting_chooses(tmp_path) -> None:
    (tmp_path / "own.txt").write_text("abcdefghij" * 200)

    def batch(kind: str) -> np.ndarray:
        settings = TextFile(path=str(tmp_path / "own.txt"), context=10, windows=kind)
        found = settings.load()
        feed = Feed.of(found, Iid().split(found.y_train, 2, seed=0), 40, seed=0)
        return np.asarray(next(iter(feed.dataset()))[0])

    assert (batch("fixed")[:, 0] == ord("a")).all()
    assert len(set(batch("random")[:, 0])) > 5


def test_text_has_no_classes_to_split_by() -> None:
    found = Pydocs(context=64).load()
    with pytest.raises(DataError, match="Without classes write partition: iid"):
        Dirichlet().split(found.y_train, 4, seed=0)
