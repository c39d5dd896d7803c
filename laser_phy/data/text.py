"""Data sets of text: the next token is learnt from those before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from laser_phy.core.settings import setting
from laser_phy.data.base import Data, DataError, Dataset, Modality, evenly_spaced
from laser_phy.data.tokenizers import AnyTokenizer, Bytes
from laser_phy.data.windows import random_windows, windows


class TextDataset(Dataset):
    """Text cut into sequences of tokens. The first part trains, the last part tests."""

    kind: ClassVar[Modality] = "text"

    tokenizer: AnyTokenizer = setting(Bytes(), example="bytes")
    """From text to tokens."""
    context: int = setting(128, ge=1, le=1_000_000, unit="tokens")
    """Length of a sequence."""
    windows: Literal["random", "fixed"] = "random"
    """Where training sequences start: anew in every epoch, or one behind the other."""
    test_sequences: int | None = setting(None, ge=1, unit="sequences")
    """Evaluate on this many, evenly spaced over the test text; null for all."""

    def texts(self) -> tuple[str, str]:
        """The training text and the test text."""
        raise NotImplementedError

    def load(self, seed: int = 0) -> Data:
        """Tokens x [sequence, context], and in y the token that follows each.

        Nothing is drawn: `seed` is not used.

        Raises:
            DataError: if a file is missing, or the text is too short for one sequence.
        """
        train, test = self.texts()
        tokenizer = self.tokenizer.fit(train)
        x_train, y_train = windows(tokenizer.encode(train), self.context, "training")
        x_test, y_test = windows(tokenizer.encode(test), self.context, "test")
        kept = evenly_spaced(len(x_test), self.test_sequences)
        return Data(
            name=str(getattr(self, "name", "text")),
            kind=self.kind,
            x_train=x_train,
            y_train=y_train,
            x_test=x_test[kept],
            y_test=y_test[kept],
            num_classes=tokenizer.vocabulary,
            target="token",
            sampler=random_windows if self.windows == "random" else None,
            tokenizer=tokenizer,
        )


class _OneText(TextDataset):
    """One text of which the end is kept for the test."""

    test_fraction: float = setting(0.1, gt=0, lt=1, unit="share of the characters")
    """Share of the text, at its end, that tests."""

    def whole(self) -> str:
        """The text."""
        raise NotImplementedError

    def texts(self) -> tuple[str, str]:
        text = self.whole()
        cut = round(len(text) * (1 - self.test_fraction))
        return text[:cut], text[cut:]


class TextFile(_OneText):
    """A text file in UTF-8."""

    name: Literal["text"] = "text"
    path: str = setting(min_length=1, example="shakespeare.txt")
    """The file."""

    def whole(self) -> str:
        return _read(Path(self.path).expanduser())


class Pydocs(_OneText):
    """The reference texts of Python's standard library: half a million characters of English.

    They come with Python and need no download; versions of Python differ a little.
    """

    name: Literal["pydocs"] = "pydocs"

    def whole(self) -> str:
        from pydoc_data.topics import topics

        return "\n\n".join(f"{title}\n\n{topics[title].strip()}" for title in sorted(topics)) + "\n"


class Wikitext103(TextDataset):
    """WikiText-103: about 100 million words of Wikipedia's good and featured articles.

    Through Hugging Face's datasets library and its cache, or from local files.
    """

    name: Literal["wikitext103"] = "wikitext103"
    path: str | None = setting(None, min_length=1, example="wikitext-103-raw")
    """A folder with wiki.train.raw and wiki.valid.raw (or .tokens); null: Hugging Face's cache."""
    evaluation: Literal["validation", "test"] = "validation"
    """The part that is evaluated."""

    def texts(self) -> tuple[str, str]:
        parts = ("train", self.evaluation)
        if self.path is None:
            train, test = (_hugging_face(part) for part in parts)
        else:
            folder = Path(self.path).expanduser()
            train, test = (_local(folder, part) for part in parts)
        return train, test


def _read(path: Path) -> str:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(
            f"path {str(path)!r} {what}; it must be a text file in UTF-8. "
            f"A relative path starts at the working folder, {Path.cwd()}."
        )
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8: {error}.") from error


def _local(folder: Path, part: str) -> str:
    stem = f"wiki.{'valid' if part == 'validation' else part}"
    for ending in ("raw", "tokens"):
        if (folder / f"{stem}.{ending}").is_file():
            return _read(folder / f"{stem}.{ending}")
    raise DataError(f"path {str(folder)!r} must be a folder with {stem}.raw or {stem}.tokens.")


def _hugging_face(part: str) -> str:
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            "data set 'wikitext103' needs the datasets library: pip install 'laser-phy[text]', "
            "or path: to a folder with wiki.train.raw and wiki.valid.raw."
        ) from error
    try:
        rows: Any = datasets.load_dataset("Salesforce/wikitext", "wikitext-103-raw-v1", split=part)
    except Exception as error:  # every failure of hub, network and disk arrives here
        raise DataError(
            "wikitext103 is not in Hugging Face's cache and could not be downloaded "
            f"({type(error).__name__}). On a machine with network run\n"
            "  python -c \"import datasets; datasets.load_dataset('Salesforce/wikitext', "
            "'wikitext-103-raw-v1')\"\n"
            "and copy ~/.cache/huggingface, or write path: to a folder with wiki.train.raw and "
            "wiki.valid.raw."
        ) from error
    return "".join(rows["text"])
