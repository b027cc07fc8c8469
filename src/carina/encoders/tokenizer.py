"""WordPiece tokenizers: trained on texts, or read from where others put theirs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from carina.errors import ConfigError, ModelError

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # BERT's, in PubMedBERT's order
NEEDED = ("[PAD]", "[UNK]", "[CLS]", "[MASK]")  # MaCo's vocabulary has no [SEP]


def train_wordpiece(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learns a lower-case WordPiece vocabulary from texts.

    The same texts, in any order, give the same vocabulary in every process.

    Args:
        texts: read once.
        vocabulary: most entries that the vocabulary may have, special tokens included.

    Raises:
        ConfigError: `vocabulary` has no room for more than the special tokens.
    """
    if vocabulary <= len(SPECIAL):
        raise ConfigError(
            f"vocabulary must be above {len(SPECIAL)} (the special tokens), got {vocabulary}."
        )
    texts = list(texts)
    learner = _bert_like(Tokenizer(models.WordPiece(unk_token="[UNK]")))
    # The trainer numbers letters in the order of a hash table, another one in each process, and
    # breaks ties between pairs by these numbers. As special tokens they are numbered by us.
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        special_tokens=[*SPECIAL, *_letters(texts, learner)],
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    learnt = sorted(learner.get_vocab().items(), key=lambda entry: entry[1])[:vocabulary]
    return _framed(_bert_like(Tokenizer(models.WordPiece(dict(learnt), unk_token="[UNK]"))))


def _letters(texts: Sequence[str], tokenizer: Tokenizer) -> list[str]:
    """The letters that begin words, and with ## those that go on, the frequent ones first."""
    counts: Counter[str] = Counter()
    for word, count in _words(texts, tokenizer).items():
        for place, letter in enumerate(word):
            counts[f"##{letter}" if place else letter] += count
    return sorted(counts, key=lambda letter: (-counts[letter], letter))


def _words(texts: Sequence[str], tokenizer: Tokenizer) -> Counter[str]:
    normalise, split = tokenizer.normalizer, tokenizer.pre_tokenizer
    return Counter(
        word for text in texts for word, _ in split.pre_tokenize_str(normalise.normalize_str(text))
    )


def load_tokenizer(source: str | Path) -> Tokenizer:
    """Reads a tokenizer.

    Args:
        source: a tokenizer.json, a vocab.txt (one word piece a line), a folder that holds
            either, or the name of a model on a hub.

    Raises:
        ModelError: nothing of this kind is there, or the hub cannot be reached.
    """
    path = Path(source)
    if path.is_dir():
        path = _in_folder(path)
    if not path.is_file():
        return _from_hub(str(source))
    try:
        tokenizer = _from_vocabulary(path) if path.suffix == ".txt" else _from_json(path)
    except ModelError:
        raise
    except Exception as error:  # the tokenizers library raises bare Exception
        raise ModelError(f"{path}: is no tokenizer ({error}).") from error
    return tokenizer


def _in_folder(folder: Path) -> Path:
    for name in ("tokenizer.json", "vocab.txt"):
        if (folder / name).is_file():
            return folder / name
    raise ModelError(f"{folder}: holds neither tokenizer.json nor vocab.txt.")


def _from_json(path: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(path))
    missing = [name for name in NEEDED if tokenizer.token_to_id(name) is None]
    if missing:
        raise ModelError(
            f"{path}: lacks {', '.join(missing)}; expected a WordPiece tokenizer of BERT."
        )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if tokenizer.post_processor is None:
        closes = tokenizer.token_to_id("[SEP]") is not None
        tokenizer = _framed(tokenizer) if closes else _opened(tokenizer)
    return tokenizer


def _from_vocabulary(path: Path) -> Tokenizer:
    pieces = path.read_text(encoding="utf-8").splitlines()
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    missing = [piece for piece in SPECIAL if piece not in vocabulary]
    if missing:
        raise ModelError(
            f"{path}: lacks {', '.join(missing)}; expected BERT's vocabulary, one piece a line."
        )
    return _framed(_bert_like(Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))))


def _from_hub(name: str) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_pretrained(name)
    except Exception as error:  # offline, refused, not found: the library has no class for it
        raise ModelError(
            f"{name}: is no file or folder here, and cannot be fetched as a tokenizer from the hub "
            f"({type(error).__name__}). Download it and give its folder."
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _bert_like(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _framed(tokenizer: Tokenizer) -> Tokenizer:
    """Puts [CLS] before and [SEP] after every text; a [SEP] in a text counts as one, too."""
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def _opened(tokenizer: Tokenizer) -> Tokenizer:
    """Puts [CLS] before every text and nothing behind, as MaCo's published code does."""
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", tokenizer.token_to_id("[CLS]"))]
    )
    return tokenizer
