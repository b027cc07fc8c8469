"""ECAMP the plain way, as the published code arranges it: what the benchmarks compare with.

The same mathematics and the same weights as ours: attention whose weights are written out, texts
padded to 256 tokens, the word head on all 256 positions whatever counts, pixel masks written out
on whole pictures, super-resolution by convolutions as they are.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carina.encoders.masking import PatchMasks
from carina.losses.reconstruction import picture_of
from carina.pretraining.ecamp import ECAMPModel
from carina.pretraining.image_side import lower_resolution
from carina.pretraining.masked_text import MaskedTextBatch
from plain_maco import attended, plain_block, plain_layer

PATCH = 16


class PlainECAMP(nn.Module):
    """The plain way with the weights of a model of ours."""

    def __init__(self, model: ECAMPModel) -> None:
        super().__init__()
        self.model = model

    def encode(self, pictures: Tensor, kept: Tensor) -> Tensor:
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

    def read(self, texts: MaskedTextBatch, patches: Tensor) -> Tensor:
        """Logits of every word at every position."""
        language = self.model.language
        seen = texts.attention.bool()[:, None, None]
        words = language.embeddings(texts.ids)
        fusion, own = language.fusion, language.fusion.attention.self
        heads = (own._split(part(words)) for part in (own.query, own.key, own.value))
        text = fusion.attention.output(attended(*heads, seen), words)
        local, whole = fusion.context.local, fusion.context.whole
        query = local._split(local.query(text))
        looked = attended(
            query, local._split(local.key(patches)), local._split(local.value(patches))
        )
        fused = fusion.out_layer(looked + whole(text, patches), text)
        states = fusion.output(fusion.intermediate(fused), fused)
        for layer in language.encoder.layer:
            states = plain_layer(layer, states, seen)
        head = language.head
        return head.decoder(head.norm(F.gelu(head.dense(states))))

    def loss(
        self, pictures: Tensor, masks: PatchMasks, texts: MaskedTextBatch, window: Tensor
    ) -> Tensor:
        """The published step, with the paper's weights of words: 0 where a word was not masked."""
        model = self.model
        lower = lower_resolution(pictures, 224)
        tokens = self.encode(lower, masks.kept)
        guessed = picture_of(self.guess(tokens, masks.restore), PATCH)
        side = model.config.image.side
        grid = masks.removed.view(-1, 1, side, side)
        removed = torch.kron(grid, torch.ones(1, 1, PATCH, PATCH)).repeat(1, 3, 1, 1)
        share = masks.removed.mean()
        pixels = F.mse_loss(guessed * removed, lower * removed) / share
        network = model.super_resolution
        large = F.interpolate(guessed, scale_factor=2, mode="bilinear", align_corners=False)
        finer = large + network.conv2(F.relu(network.conv1(large)))
        root = window.sqrt().repeat(1, 3, 1, 1)
        resolved = F.mse_loss(finer * root, pictures * root)
        logits = self.read(texts, model.project(tokens)[:, 1:])
        errors = F.cross_entropy(logits.flatten(0, 1), texts.originals.flatten(), reduction="none")
        weights = (texts.weights * texts.chosen).flatten()
        words = (errors * weights).sum() / texts.chosen.sum()
        return pixels + resolved + words
