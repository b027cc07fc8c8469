"""MaCo the plain way, as the published code arranges it: what the benchmarks compare with.

The same mathematics and the same weights as ours: attention whose weights are written out, every
text padded to 100 tokens, the head for masked words evaluated and thrown away, the loop that
would mask words run over every text, the target of all patches computed.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carina.encoders import bert
from carina.encoders.masking import PatchMasks
from carina.encoders.vit import Block
from carina.losses.reconstruction import patches_of
from carina.pretraining.image_side import lower_resolution
from carina.pretraining.maco import MaCoModel

VOCABULARY, TOKENS = 30_000, 100


class WordHead(nn.Module):
    """BERT's head for masked words, whose result the published code does not use."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.transform, self.norm = nn.Linear(width, width), nn.LayerNorm(width)
        self.decoder = nn.Linear(width, VOCABULARY)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits of every word at every token."""
        return self.decoder(self.norm(F.gelu(self.transform(hidden))))


def attended(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None = None) -> Tensor:
    """Attention with its weights written out."""
    logits = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
    if seen is not None:
        logits = logits.masked_fill(~seen, -torch.inf)
    return (logits.softmax(-1) @ value).transpose(1, 2).flatten(2)


def plain_block(block: Block, tokens: Tensor) -> Tensor:
    """A block of the ViT."""
    heads = block.attn._heads(block.norm1(tokens))
    tokens = tokens + block.attn.proj(attended(*heads))
    return tokens + block.mlp(block.norm2(tokens))


def plain_layer(layer: bert.Layer, tokens: Tensor, seen: Tensor) -> Tensor:
    """A layer of the BERT."""
    own = layer.attention.self
    heads = (own._split(part(tokens)) for part in (own.query, own.key, own.value))
    tokens = layer.attention.output(attended(*heads, seen), tokens)
    return layer.output(layer.intermediate(tokens), tokens)


def plain_texts(texts: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Padded ids and mask, after a loop over all words that masks none."""
    ids = torch.zeros(len(texts), TOKENS, dtype=torch.long)
    mask = torch.zeros(len(texts), TOKENS, dtype=torch.long)
    for row, numbers in enumerate(texts):
        for place, number in enumerate(numbers):
            masked = bool(torch.rand(()) < 0.0)
            ids[row, place] = 3 if masked else number
            mask[row, place] = 1
    return ids, mask


class PlainMaCo(nn.Module):
    """The plain way with the weights of a model of ours."""

    def __init__(self, model: MaCoModel) -> None:
        super().__init__()
        self.model = model
        self.words = WordHead(model.config.text.width)

    def read(self, texts: list[list[int]]) -> Tensor:
        """The vectors of texts."""
        encoder = self.model.text_encoder
        ids, mask = plain_texts(texts)
        tokens = encoder.embeddings(ids)
        for layer in encoder.encoder.layer:
            tokens = plain_layer(layer, tokens, mask.bool()[:, None, None])
        self.words(tokens)
        return torch.tanh(encoder.pooler(tokens[:, 0]))

    def encode(self, pictures: Tensor, kept: Tensor | None) -> Tensor:
        """The tokens of the patches that are seen."""
        encoder = self.model.image_encoder
        tokens = encoder._embed(pictures, kept)
        for block in encoder.blocks:
            tokens = plain_block(block, tokens)
        return encoder.norm(tokens)

    def guess(self, tokens: Tensor, restore: Tensor) -> Tensor:
        """The pixels of every patch."""
        decoder = self.model.decoder
        given = decoder.embed(tokens)
        missing = decoder.mask_token.repeat(len(given), restore.shape[1] + 1 - given.shape[1], 1)
        patches = torch.cat([given[:, 1:], missing], dim=1)
        patches = patches.gather(1, restore[..., None].repeat(1, 1, given.shape[-1]))
        states = torch.cat([given[:, :1], patches], dim=1) + decoder.get_buffer("pos_embed")
        for block in decoder.blocks:
            states = plain_block(block, states)
        return decoder.pred(decoder.norm(states))[:, 1:]

    def loss(self, pictures: Tensor, masks: PatchMasks, texts: list[list[int]]) -> Tensor:
        """The published step."""
        model = self.model
        tokens = self.encode(lower_resolution(pictures, 224), masks.kept)
        error = (self.guess(tokens, masks.restore) - patches_of(pictures, 32)).square().mean(-1)
        reconstruction = (error * masks.removed).sum() / masks.removed.sum()
        images, reports = model.project(tokens[:, 1:]).mean(1), self.read(texts)
        ones = torch.ones_like(tokens[:, 1:])
        zeros = torch.zeros(len(ones), masks.removed.shape[1] - ones.shape[1], ones.shape[2])
        places = torch.cat([ones, zeros], 1).gather(
            1, masks.restore[..., None].repeat(1, 1, ones.shape[2])
        )
        worth = torch.log(1 + torch.exp(model.importance(places.mean(-1))))
        cosines = (images / images.norm(dim=1, keepdim=True)) @ (
            reports / reports.norm(dim=1, keepdim=True)
        ).T
        rows = torch.arange(len(images))
        weights = worth[:, 0].detach()
        contrast = torch.zeros(())
        for logits in (model.scale * cosines, model.scale * cosines.T):
            contrast = contrast + F.cross_entropy(worth * logits, rows)
            losses = F.cross_entropy(logits, rows, reduction="none")
            contrast = contrast + (weights * losses).sum() / weights.sum()
        return reconstruction + contrast / 4
