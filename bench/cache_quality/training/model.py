"""The verifier in PyTorch: MiniLM, which reads both texts at once, with trained changes to its dense layers."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

_PRECISION = torch.bfloat16
_HEADS = 12
_LAYERS = 6
_EPSILON = 1e-12
_HEAD_DROPOUT = 0.1
_ATTENTION = ("attention.self.query", "attention.self.key", "attention.self.value")
_DENSE = (*_ATTENTION, "attention.output.dense", "intermediate.dense", "output.dense")


class Verifier(nn.Module):
    """Gives the logit that the answer to one text may serve the other; all rows of a batch have the same length.

    It computes in 16 bits and learns in 32.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._before = {name: weights[f"{name}.weight"].float() for name in _dense_names()}
        self._fixed = {name: value.to(_PRECISION) for name, value in weights.items()}
        width = weights["embeddings.LayerNorm.weight"].shape[0]
        self.segments = nn.Parameter(torch.zeros(2, width))
        self.dense = nn.ParameterDict({_key(name): nn.Parameter(value.clone()) for name, value in self._before.items()})
        self.head = nn.Linear(3 * width, 1)
        nn.init.zeros_(self.head.weight)

    def forward(self, ids: Tensor, segments: Tensor) -> Tensor:
        """`ids` and `segments` [batch, length]; returns logits [batch]."""
        x = self._states(ids, self.segments.to(_PRECISION)[segments])
        one, other = (_mean(x, segments == side) for side in (0, 1))
        features = torch.cat([x[:, 0], (one - other).abs(), one * other], dim=1).float()
        logits: Tensor = self.head(functional.dropout(features, _HEAD_DROPOUT, self.training)).squeeze(1)
        return logits

    def embedded(self, ids: Tensor) -> Tensor:
        """Returns unit vectors [batch, width] of single texts: MiniLM's own before any training."""
        return functional.normalize(self._states(ids, torch.zeros((), dtype=_PRECISION)).mean(1).float())

    def resume(self, difference: Mapping[str, Tensor]) -> None:
        """Loads what was learnt before."""
        self.segments.data = difference["segments"].float()
        self.head.weight.data, self.head.bias.data = (difference[f"head.{part}"].float() for part in ("weight", "bias"))
        for name, before in self._before.items():
            self.dense[_key(name)].data = before + change(difference, name)

    def difference(self) -> dict[str, Tensor]:
        """Returns what was learnt, in the form that the service reads."""
        whole = {"segments": self.segments, "head.weight": self.head.weight, "head.bias": self.head.bias}
        found = {name: _half(value) for name, value in whole.items()}
        for name, before in self._before.items():
            parts = eight_bits(self.dense[_key(name)].detach() - before)
            found |= {f"dense.{name}.{part}": value for part, value in parts.items()}
        return found

    def _states(self, ids: Tensor, sides: Tensor) -> Tensor:
        """`sides` is added to the one segment that MiniLM was made with."""
        table, (batch, length) = self._fixed, ids.shape
        words = table["embeddings.word_embeddings.weight"][ids]
        places = table["embeddings.position_embeddings.weight"][:length]
        begun = words + places + (table["embeddings.token_type_embeddings.weight"][0] + sides)
        x = self._norm("embeddings.LayerNorm", begun).view(batch * length, -1)
        for number in range(_LAYERS):
            x = self._layer(f"encoder.layer.{number}", x, batch)
        return x.view(batch, length, -1)

    def _layer(self, prefix: str, x: Tensor, batch: int) -> Tensor:
        seen = self._linear([f"{prefix}.attention.output.dense"], self._attended(prefix, x, batch))
        x = self._norm(f"{prefix}.attention.output.LayerNorm", x + seen)
        inner = functional.gelu(self._linear([f"{prefix}.intermediate.dense"], x))
        return self._norm(f"{prefix}.output.LayerNorm", x + self._linear([f"{prefix}.output.dense"], inner))

    def _attended(self, prefix: str, x: Tensor, batch: int) -> Tensor:
        together = self._linear([f"{prefix}.{name}" for name in _ATTENTION], x)
        query, key, value = together.view(batch, -1, 3, _HEADS, x.shape[1] // _HEADS).permute(2, 0, 3, 1, 4)
        # Written out: on a CPU, the backward pass of torch's fused attention takes five times as long for short texts.
        heed = (query @ key.transpose(2, 3) * query.shape[3] ** -0.5).softmax(-1)
        return (heed @ value).transpose(1, 2).reshape(x.shape)

    def _linear(self, names: list[str], x: Tensor) -> Tensor:
        """Returns the outputs of several dense layers on the same `x`, side by side."""
        weight = torch.cat([self.dense[_key(name)] for name in names]).to(_PRECISION)
        return functional.linear(x, weight, torch.cat([self._fixed[f"{name}.bias"] for name in names]))

    def _norm(self, name: str, x: Tensor) -> Tensor:
        scale, shift = self._fixed[f"{name}.weight"], self._fixed[f"{name}.bias"]
        return functional.layer_norm(x, scale.shape, scale, shift, _EPSILON)


def change(difference: Mapping[str, Tensor], name: str) -> Tensor:
    """Returns the learnt change of one dense layer."""
    return difference[f"dense.{name}.change"].float() * difference[f"dense.{name}.scale"].float()[:, None]


def eight_bits(change: Tensor) -> dict[str, Tensor]:
    """Returns a change of weights in eight bits each, with a scale for each row."""
    scale = _half(change.abs().amax(dim=1).clamp_min(1e-4) / 127)
    return {"change": (change / scale.float()[:, None]).round().clamp(-127, 127).to(torch.int8), "scale": scale}


def _dense_names() -> list[str]:
    return [f"encoder.layer.{number}.{part}" for number in range(_LAYERS) for part in _DENSE]


def _key(name: str) -> str:
    return name.replace(".", "/")  # a parameter's name must not have dots


def _half(value: Tensor) -> Tensor:
    return value.detach().half().contiguous()


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    weight = mask.unsqueeze(2).to(x.dtype)
    return (x * weight).sum(1) / weight.sum(1)
