"""Sentences as rows of token ids."""

import pickle
from pathlib import Path

import pytest
import torch
from data_corpora import SPECIAL, WORDS, vocabulary

from longtake.model.data.text import SentenceTokenizer

PAD, UNKNOWN, FIRST, LAST, _ = range(5)


def word(text: str) -> int:
    return len(SPECIAL) + WORDS.index(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return vocabulary(tmp_path_factory.mktemp("vocabulary"))


def test_each_sentence_stands_alone_padded_or_cut(folder: str) -> None:
    ids, mask = SentenceTokenizer(folder, 6)([["Two bears swimming", "zzz"], ["one two three four five six", ""]])
    assert ids.dtype == mask.dtype == torch.int64
    assert ids.tolist() == [
        [[FIRST, word("two"), word("bear"), word("##s"), word("swim"), LAST], [FIRST, UNKNOWN, LAST, PAD, PAD, PAD]],
        [[FIRST, *map(word, ["one", "two", "three", "four"]), LAST], [FIRST, LAST, PAD, PAD, PAD, PAD]],
    ]
    assert torch.equal(mask, (ids != PAD).long())


def test_absent_sentences_are_rows_of_padding_with_no_mask(folder: str) -> None:
    ids, mask = SentenceTokenizer(folder, 4)([["one"], ["two", "three"]])
    assert ids[0, 1].tolist() == [PAD] * 4 and mask[0, 1].tolist() == [0] * 4
    assert ids[1, 1].tolist() == [FIRST, word("three"), LAST, PAD]
    assert SentenceTokenizer(folder, 4)([])[0].shape == (0, 0, 4)


def test_it_survives_the_way_to_a_worker_and_refuses_no_room(folder: str) -> None:
    tokenizer = SentenceTokenizer(folder, 5)
    assert torch.equal(pickle.loads(pickle.dumps(tokenizer))([["ice sea"]])[0], tokenizer([["ice sea"]])[0])  # noqa: S301
    with pytest.raises(ValueError, match="no room"):
        SentenceTokenizer(folder, 2)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises((OSError, ValueError)):
        SentenceTokenizer(str(tmp_path), 5)
