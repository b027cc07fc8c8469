"""Our BERT against transformers' own."""

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from carina.encoders.bert import Bert, BertSizes

SIZES = BertSizes(vocabulary=50, width=24, layers=3, heads=4, hidden=40, positions=20, dropout=0.1)
IDS = torch.randint(0, 50, (3, 11), generator=torch.Generator().manual_seed(0))
MASK = (torch.arange(11) < torch.tensor([[11], [4], [1]])).long()


@pytest.fixture(scope="module")
def theirs() -> BertModel:
    config = BertConfig(
        vocab_size=50,
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=40,
        max_position_embeddings=20,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
    )
    torch.manual_seed(0)
    model = BertModel(config)
    for parameter in model.parameters():  # norms, biases and padding off their starts, too
        nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture(scope="module")
def ours(theirs: BertModel) -> Bert:
    bert = Bert(SIZES)
    bert.load_state_dict(theirs.state_dict())  # strict: the names are the same
    return bert


def test_features_and_gradients_equal_those_of_transformers(ours: Bert, theirs: BertModel) -> None:
    expected = theirs.eval()(input_ids=IDS, attention_mask=MASK)
    found = ours.eval()(IDS, MASK)
    close = {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(found.pooled, expected.pooler_output, **close)
    torch.testing.assert_close(
        found.tokens[MASK.bool()], expected.last_hidden_state[MASK.bool()], **close
    )
    expected.pooler_output.square().sum().backward()
    found.pooled.square().sum().backward()
    gradients = {name: weight.grad for name, weight in theirs.named_parameters()}
    for name, weight in ours.named_parameters():
        torch.testing.assert_close(weight.grad, gradients[name], atol=1e-4, rtol=1e-4)


def test_padding_is_never_looked_at(ours: Bert) -> None:
    changed = torch.where(MASK.bool(), IDS, (IDS + 7) % 50)
    torch.testing.assert_close(
        ours.eval()(changed, MASK).pooled, ours(IDS, MASK).pooled, atol=1e-6, rtol=1e-6
    )


def test_dropout_works_on_hidden_features_and_on_attention(ours: Bert) -> None:
    def differs(dropping: type[nn.Module]) -> bool:
        ours.eval()
        for module in ours.modules():
            module.training = isinstance(module, dropping)
        torch.manual_seed(1)
        first: Tensor = ours(IDS, MASK).pooled
        return not torch.equal(first, ours(IDS, MASK).pooled)

    attention = type(ours.encoder.layer[0].attention.self)
    assert differs(nn.Dropout)
    assert differs(attention)
    assert not differs(nn.LayerNorm)


def test_fresh_weights_start_like_those_of_bert() -> None:
    torch.manual_seed(0)
    bert = Bert(SIZES)
    for name, weight in bert.named_parameters():
        if name.endswith("LayerNorm.weight"):
            assert torch.equal(weight, torch.ones_like(weight))
        elif name.endswith("bias"):
            assert not weight.any()
        else:
            assert weight.std().item() == pytest.approx(0.02, rel=0.35)
