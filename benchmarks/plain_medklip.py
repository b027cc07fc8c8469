"""MedKLIP the plain way, as the published code arranges it: what the benchmarks compare with.

The same mathematics and the same weights as ours, from PyTorch's own modules, channels first:
batch norms apart from their convolutions, keys and values projected for every token, queries put
through the whole decoder for every picture. The embedded texts are given, as they are published.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carina.encoders.query_decoder import QueryDecoder
from carina.encoders.resnet import ResNetEncoder
from carina.pretraining.medklip import MedKLIPModel
from plain_kad import PlainLayer


class PlainMedKLIP(nn.Module):
    """The plain way with the weights of a model of ours."""

    def __init__(self, model: MedKLIPModel) -> None:
        super().__init__()
        assert isinstance(model.image_encoder, ResNetEncoder)
        decoder: QueryDecoder = model.decoder
        config = decoder.config
        self.image_encoder = copy.deepcopy(model.image_encoder)
        self.image_encoder.to(memory_format=torch.contiguous_format)
        self.embed_query, self.norm = model.embed_query, decoder.norm
        self.existence, self.position = model.existence, model.position
        self.layers = nn.ModuleList(
            PlainLayer(layer, config.dim, config.heads, config.dropout) for layer in decoder.layers
        )
        self.dropout = nn.Dropout(config.dropout)

    def encode(self, images: Tensor) -> Tensor:
        """Tokens [batch, tokens, dim]."""
        encoder = self.image_encoder
        maps = F.max_pool2d(F.relu(encoder.bn1(encoder.conv1(images)), inplace=True), 3, 2, 1)
        for number in range(len(encoder.config.depths)):
            maps = encoder.get_submodule(f"layer{number + 1}")(maps)
        tokens = maps.flatten(2).transpose(1, 2)
        return encoder.project(F.relu(encoder.hidden(tokens)))

    def ask(self, tokens: Tensor, texts: Tensor) -> tuple[Tensor, Tensor]:
        """What is known of each query [batch, queries, dim], and the mean of the layers' maps."""
        memory = tokens.transpose(0, 1)
        states = self.embed_query(texts).unsqueeze(1).repeat(1, len(tokens), 1)
        maps = []
        for layer in self.layers:
            states, weights = layer(states, memory)
            maps.append(weights)
        return self.dropout(self.norm(states)).transpose(0, 1), torch.stack(maps).mean(0)

    def loss(
        self, images: Tensor, texts: Tensor, positions: Tensor, labels: Tensor, index: Tensor
    ) -> Tensor:
        """Existence where it is known, and position where something is present.

        Args:
            images: standardised radiographs.
            texts: embedded descriptions.
            positions: embedded positions.
            labels: [batch, queries], -1 where nothing is known.
            index: [batch, queries, 8], rows of `positions`, the right one first.
        """
        features, _ = self.ask(self.encode(images), texts)
        logits = self.existence(features)
        known = labels >= 0
        total = F.cross_entropy(logits[known], labels[known])
        there = labels == 1
        guessed = self.position(features[there])
        scores = torch.einsum("nd,nkd->nk", guessed, positions[index[there]])
        return total + F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long))
