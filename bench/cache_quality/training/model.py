"""The verifier in PyTorch: MiniLM reads both questions at once, its weights changed by a low-rank difference."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

_HEADS = 12
_LAYERS = 6
_EPSILON = 1e-12
_HEAD_DROPOUT = 0.1
_ATTENTION = ("attention.self.query", "attention.self.key", "attention.self.value")
_DENSE = (*_ATTENTION, "attention.output.dense", "intermediate.dense", "output.dense")


class LowRank(nn.Module):
    """A frozen dense layer plus `up · down`."""

    def __init__(self, weight: Tensor, bias: Tensor, rank: int) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.down = nn.Parameter(torch.randn(rank, weight.shape[1]) / weight.shape[1] ** 0.5)
        self.up = nn.Parameter(torch.zeros(weight.shape[0], rank))

    def forward(self, x: Tensor) -> Tensor:
        changed = functional.linear(functional.linear(x, self.down), self.up)
        return functional.linear(x, self.weight, self.bias) + changed


class Verifier(nn.Module):
    """Gives the logit that two questions ask the same."""

    def __init__(self, weights: Mapping[str, Tensor], rank: int) -> None:
        super().__init__()
        self._weights = {name: value.float() for name, value in weights.items()}
        width = weights["embeddings.LayerNorm.weight"].shape[0]
        self.segments = nn.Parameter(torch.zeros(2, width))
        names = [f"encoder.layer.{number}.{part}" for number in range(_LAYERS) for part in _DENSE]
        self.dense = nn.ModuleDict({_key(name): self._low_rank(name, rank) for name in names})
        self.head = nn.Linear(3 * width, 1)
        nn.init.zeros_(self.head.weight)

    def forward(self, ids: Tensor, segments: Tensor, lengths: Tensor) -> Tensor:
        """`ids` and `segments` [batch, length], `lengths` [batch]; returns logits [batch]."""
        real = torch.arange(ids.shape[1]) < lengths[:, None]
        x = self._embedded(ids, segments)
        for number in range(_LAYERS):
            x = self._layer(f"encoder.layer.{number}", x, real[:, None, None, :])
        one, other = (_mean(x, real & (segments == side)) for side in (0, 1))
        features = torch.cat([x[:, 0], (one - other).abs(), one * other], dim=1)
        logits: Tensor = self.head(functional.dropout(features, _HEAD_DROPOUT, self.training)).squeeze(1)
        return logits

    def difference(self) -> dict[str, Tensor]:
        """What was learnt, in half precision, as the service reads it."""
        learnt = self.named_parameters()
        return {name.replace("/", "."): value.detach().half().contiguous() for name, value in learnt}

    def _low_rank(self, name: str, rank: int) -> LowRank:
        return LowRank(self._weights[f"{name}.weight"], self._weights[f"{name}.bias"], rank)

    def _embedded(self, ids: Tensor, segments: Tensor) -> Tensor:
        table = self._weights
        words = table["embeddings.word_embeddings.weight"][ids]
        places = table["embeddings.position_embeddings.weight"][: ids.shape[1]]
        # Both questions begin as the one segment that MiniLM was made with.
        sides = table["embeddings.token_type_embeddings.weight"][0] + self.segments[segments]
        return self._norm("embeddings.LayerNorm", words + places + sides)

    def _layer(self, prefix: str, x: Tensor, mask: Tensor) -> Tensor:
        query, key, value = (_heads(self._dense(f"{prefix}.{name}", x)) for name in _ATTENTION)
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        seen = self._dense(f"{prefix}.attention.output.dense", seen.transpose(1, 2).reshape(x.shape))
        x = self._norm(f"{prefix}.attention.output.LayerNorm", x + seen)
        inner = functional.gelu(self._dense(f"{prefix}.intermediate.dense", x))
        return self._norm(f"{prefix}.output.LayerNorm", x + self._dense(f"{prefix}.output.dense", inner))

    def _dense(self, name: str, x: Tensor) -> Tensor:
        made: Tensor = self.dense[_key(name)](x)
        return made

    def _norm(self, name: str, x: Tensor) -> Tensor:
        scale, shift = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return functional.layer_norm(x, scale.shape, scale, shift, _EPSILON)


def _key(name: str) -> str:
    return name.replace(".", "/")  # a module's name must not have dots


def _heads(x: Tensor) -> Tensor:
    return x.view(*x.shape[:2], _HEADS, -1).transpose(1, 2)


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    weight = mask.unsqueeze(2).to(x.dtype)
    return (x * weight).sum(1) / weight.sum(1)
