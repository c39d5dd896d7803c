"""From text to tokens and back."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from laser_phy.core.cache import cache_folder
from laser_phy.core.files import write_whole
from laser_phy.core.kinds import Family, Kind
from laser_phy.core.settings import setting
from laser_phy.data.base import DataError, Tokenizer

_PIECE = 1 << 20  # characters that are encoded at a time
_SMALLEST = 256  # every byte is a token, so that any text can be encoded


class ByteTokenizer:
    """A token is a byte of the text in UTF-8."""

    vocabulary = 256

    def encode(self, text: str) -> NDArray[np.int32]:
        """Tokens [position] of a text."""
        return np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int32)

    def decode(self, tokens: Any) -> str:
        """Text of tokens [position]."""
        return np.asarray(tokens).astype(np.uint8).tobytes().decode("utf-8", errors="replace")


class BpeTokenizer:
    """Byte pair encoding by Hugging Face's tokenizers."""

    def __init__(self, state: str) -> None:
        """Restore from the JSON that `tokenizers.Tokenizer.to_str` gave."""
        self._state = state
        self._tokenizer = _library().Tokenizer.from_str(state)

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str) -> NDArray[np.int32]:
        """Tokens [position] of a text."""
        found = self._tokenizer.encode_batch(_pieces(text), add_special_tokens=False)
        return np.concatenate([np.zeros(0, np.int32), *(np.int32(piece.ids) for piece in found)])

    def decode(self, tokens: Any) -> str:
        """Text of tokens [position]."""
        return str(self._tokenizer.decode([int(token) for token in np.asarray(tokens)]))

    def to_json(self) -> str:
        """The trained tokenizer, as Hugging Face's libraries read it."""
        return self._state


class TokenizerSettings(Kind):
    """Settings of a tokenizer."""

    @property
    def known_vocabulary(self) -> int | None:
        """Tokens, where that can be told without a text."""
        return None

    def fit(self, text: str) -> Tokenizer:
        """The tokenizer for a training text."""
        raise NotImplementedError


class Bytes(TokenizerSettings):
    """A token is a byte: 256 tokens, no training, no library."""

    name: Literal["bytes"] = "bytes"

    @property
    def known_vocabulary(self) -> int:
        return 256

    def fit(self, text: str) -> Tokenizer:
        """The tokenizer; `text` is not looked at."""
        return ByteTokenizer()


class Bpe(TokenizerSettings):
    """Byte pair encoding, trained on the training text, without network, and kept in a cache.

    The same text, settings and version of the tokenizers library give the same tokenizer.
    """

    name: Literal["bpe"] = "bpe"
    vocabulary: int = setting(4096, ge=_SMALLEST, le=1_000_000, unit="tokens")
    """Largest number of tokens; a short text may have fewer pairs to join."""
    path: str | None = setting(None, min_length=1, example="tokenizer.json")
    """A trained tokenizer.json to use in the place of training one; null to train."""

    @property
    def known_vocabulary(self) -> int | None:
        return self.vocabulary if self.path is None else None

    def fit(self, text: str) -> Tokenizer:
        """Train on a text, or read what an earlier training on it gave.

        Raises:
            DataError: if the tokenizers library is not installed, or `path` cannot be read.
        """
        library = _library()
        if self.path is not None:
            return _stored(Path(self.path).expanduser())
        what = f"{library.__version__}/{self.vocabulary}/".encode() + text.encode("utf-8")
        cached = cache_folder() / f"bpe-{hashlib.sha256(what).hexdigest()[:32]}.json"
        if cached.is_file():
            try:
                return BpeTokenizer(cached.read_text("utf-8"))
            except Exception:  # the library raises a bare Exception; a broken cache is made anew
                cached.unlink(missing_ok=True)
        state = _train(text, self.vocabulary)
        _keep(cached, state)
        return BpeTokenizer(state)


KINDS = Family("tokenizer", TokenizerSettings, Bytes, Bpe)
AnyTokenizer: Any = KINDS.field


def _train(text: str, vocabulary: int) -> str:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(_pieces(text), trainer)
    return str(tokenizer.to_str())


def _library() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise DataError(
            "tokenizer 'bpe' needs the tokenizers library: pip install 'laser-phy[text]', "
            "or write tokenizer: bytes."
        ) from error
    return tokenizers


def _stored(path: Path) -> Tokenizer:
    if not path.is_file():
        raise DataError(f"path {str(path)!r} of tokenizer 'bpe' is not a file.")
    try:
        return BpeTokenizer(path.read_text("utf-8"))
    except Exception as error:  # the library raises a bare Exception
        raise DataError(
            f"{path} is not a tokenizer.json of the tokenizers library: {error}"
        ) from error


def _pieces(text: str) -> list[str]:
    """The text cut behind ends of lines into pieces of a megabyte or so.

    A single long text would need some hundred times its size while it is encoded.
    """
    pieces, start = [], 0
    while start < len(text):
        end = text.find("\n", start + _PIECE)
        end = len(text) if end < 0 else end + 1
        pieces.append(text[start:end])
        start = end
    return pieces


def _keep(path: Path, state: str) -> None:
    """Write whole or not at all; a cache that cannot be written only costs time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, state)
