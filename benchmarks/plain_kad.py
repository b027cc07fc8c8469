"""KAD the plain way, as the published code arranges it: what the benchmarks compare with.

The same mathematics and the same weights as ours, from PyTorch's own modules: batch norms
apart from their convolutions, keys and values projected for every token, queries put through
the whole decoder for every picture, and all texts padded to 256 tokens and embedded again at
every step.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carina.encoders.query_decoder import QueryDecoder, QueryLayer
from carina.encoders.resnet import ResNetEncoder
from carina.encoders.text import TextEncoder
from carina.encoders.tokens import Tokens
from carina.pretraining.kad import KADModel


class PlainLayer(nn.Module):
    """A pre-norm decoder layer around two `nn.MultiheadAttention`."""

    def __init__(self, ours: QueryLayer, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(dim, heads, dropout)
        self.multihead_attn = nn.MultiheadAttention(dim, heads, dropout)
        self.linear1, self.linear2 = ours.linear1, ours.linear2
        self.norm1, self.norm2, self.norm3 = ours.norm1, ours.norm2, ours.norm3
        self.dropout = nn.Dropout(dropout)
        self.self_attn.load_state_dict(ours.self_attn.state_dict())
        self.multihead_attn.load_state_dict(ours.multihead_attn.state_dict())

    def forward(self, states: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """States and memory as [tokens, batch, dim]."""
        normed = self.norm1(states)
        states = states + self.dropout(self.self_attn(normed, normed, normed)[0])
        attended, weights = self.multihead_attn(self.norm2(states), memory, memory)
        states = states + self.dropout(attended)
        inner = self.dropout(F.relu(self.linear1(self.norm3(states))))
        return states + self.dropout(self.linear2(inner)), weights


class PlainKAD(nn.Module):
    """The plain way with the weights of a model of ours."""

    def __init__(self, model: KADModel) -> None:
        super().__init__()
        assert isinstance(model.image_encoder, ResNetEncoder)
        decoder: QueryDecoder = model.decoder
        config = decoder.config
        self.image_encoder = model.image_encoder
        self.text_encoder: TextEncoder = model.text_encoder
        self.norm, self.head = decoder.norm, model.head
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

    def ask(self, tokens: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [batch, queries, 2] and the last layer's attention."""
        memory = self.norm(tokens.transpose(0, 1))
        states = self.norm(queries.unsqueeze(1).repeat(1, len(tokens), 1))
        weights = states
        for layer in self.layers:
            states, weights = layer(states, memory)
        return self.head(self.dropout(self.norm(states)).transpose(0, 1)), weights

    def embed(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Text features."""
        return self.text_encoder(Tokens(ids=ids, mask=mask))


def padded(count: int, real: int, length: int = 256, vocabulary: int = 30000) -> Tokens:
    """Made-up texts of `real` tokens, padded to `length`, as the published code pads."""
    mask = torch.zeros(count, length, dtype=torch.long)
    mask[:, :real] = 1
    ids = torch.randint(5, vocabulary, (count, length)) * mask
    return Tokens(ids=ids, mask=mask)
