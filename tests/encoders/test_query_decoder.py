from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from carina.encoders.query_decoder import Alone, QueryDecoder, QueryDecoderConfig
from carina.errors import ConfigError

SMALL = QueryDecoderConfig(dim=16, layers=3, heads=4, hidden=24, dropout=0.1)


class OfficialArrangement(nn.Module):
    """PyTorch's decoder layers, pre-norm, with the one norm used three times."""

    def __init__(self, config: QueryDecoderConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.dim)
        layer = nn.TransformerDecoderLayer(
            config.dim,
            config.heads,
            config.hidden,
            config.dropout,
            norm_first=True,
            batch_first=True,
        )
        self.decoder = nn.TransformerDecoder(layer, config.layers, self.norm)

    def forward(self, memory: Tensor, queries: Tensor) -> Tensor:
        asked = self.norm(queries).unsqueeze(0).expand(len(memory), -1, -1)
        return self.decoder(asked, self.norm(memory))


def same_weights(config: QueryDecoderConfig) -> tuple[QueryDecoder, OfficialArrangement]:
    ours, official = QueryDecoder(config), OfficialArrangement(config)
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.5)
    state = {f"decoder.{name}": value for name, value in ours.state_dict().items()}
    official.load_state_dict(state | {"norm.weight": ours.norm.weight, "norm.bias": ours.norm.bias})
    return ours.eval(), official.eval()


def test_decoder_equals_pytorchs_layers_with_one_shared_norm() -> None:
    ours, official = same_weights(SMALL)
    memory, queries = torch.randn(2, 30, 16), torch.randn(5, 16)
    decoded = ours(memory, queries)
    torch.testing.assert_close(decoded.features, official(memory, queries), atol=1e-4, rtol=1e-4)


def test_prepared_queries_give_the_same_answers_and_maps() -> None:
    ours, _ = same_weights(SMALL)
    memory, queries = torch.randn(2, 30, 16), torch.randn(5, 16)
    plain, answered = ours(memory, queries), ours.answer(memory, ours.prepare(queries))
    torch.testing.assert_close(answered.features, plain.features, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(answered.cross_attention, plain.cross_attention)
    torch.testing.assert_close(answered.self_attention, plain.self_attention)


def test_attention_of_every_layer_adds_up_to_one() -> None:
    decoded = QueryDecoder(SMALL)(torch.randn(2, 30, 16), torch.randn(5, 16))
    assert decoded.cross_attention.shape == (3, 2, 5, 30)
    torch.testing.assert_close(decoded.cross_attention.sum(-1), torch.ones(3, 2, 5))


def test_answers_do_not_depend_on_the_order_of_queries_or_on_other_pictures() -> None:
    ours, _ = same_weights(SMALL)
    memory, queries = torch.randn(3, 30, 16), torch.randn(5, 16)
    order = torch.tensor([3, 1, 0, 4, 2])
    whole = ours(memory, queries).features
    turned = ours(memory[1:2], queries[order]).features
    torch.testing.assert_close(turned[0], whole[1, order], atol=1e-5, rtol=1e-5)


def test_queries_that_are_asked_alone_do_not_see_one_another() -> None:
    together, _ = same_weights(SMALL)
    alone = QueryDecoder(replace(SMALL, queries=Alone())).eval()
    alone.load_state_dict(together.state_dict())
    memory, queries = torch.randn(2, 30, 16), torch.randn(5, 16)
    decoded = alone(memory, queries)
    one_by_one = [together(memory, query.unsqueeze(0)).features for query in queries]
    torch.testing.assert_close(decoded.features, torch.cat(one_by_one, 1), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(decoded.features, together(memory, queries).features, atol=1e-2)
    assert torch.equal(decoded.self_attention, torch.eye(5).expand(3, 2, 5, 5))


@pytest.mark.parametrize("wrong", [{"heads": 5}, {"layers": 0}])
def test_sizes_that_cannot_be_built_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="query decoder"):
        QueryDecoderConfig(dim=16, **wrong)


def test_dropout_outside_its_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="dropout"):
        QueryDecoderConfig(dropout=1.0)
