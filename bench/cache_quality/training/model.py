"""The verifier in PyTorch: MiniLM reads both questions at once, its weights changed where it learnt."""

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
_LEARNS_WHOLE = 2  # layers from here on; below, what a language's words are should stay as it was
_RANK = 16


class LowRank(nn.Module):
    """A frozen dense layer plus `up · down`."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.down = nn.Parameter(torch.randn(_RANK, weight.shape[1]) / weight.shape[1] ** 0.5)
        self.up = nn.Parameter(torch.zeros(weight.shape[0], _RANK))

    def forward(self, x: Tensor) -> Tensor:
        changed = functional.linear(functional.linear(x, self.down), self.up)
        return functional.linear(x, self.weight, self.bias) + changed

    def resume(self, learnt: Mapping[str, Tensor]) -> None:
        self.down.data, self.up.data = learnt["down"], learnt["up"]

    def difference(self) -> dict[str, Tensor]:
        return {"down": _half(self.down), "up": _half(self.up)}


class Whole(nn.Module):
    """A dense layer all of whose weights learn."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("before", weight)
        self.register_buffer("bias", bias)
        self.weight = nn.Parameter(weight.clone())

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)

    def resume(self, learnt: Mapping[str, Tensor]) -> None:
        """Takes up a whole change or one of low rank."""
        whole = "change" in learnt
        self.weight.data += learnt["change"] * learnt["scale"][:, None] if whole else learnt["up"] @ learnt["down"]

    def difference(self) -> dict[str, Tensor]:
        return eight_bits(self.weight.detach() - self.before)


class Verifier(nn.Module):
    """Gives the logit that two questions ask the same."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._weights = {name: value.float() for name, value in weights.items()}
        width = weights["embeddings.LayerNorm.weight"].shape[0]
        self.segments = nn.Parameter(torch.zeros(2, width))
        places = [(number, f"encoder.layer.{number}.{part}") for number in range(_LAYERS) for part in _DENSE]
        self.dense = nn.ModuleDict({_key(name): self._learning(number, name) for number, name in places})
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

    def resume(self, difference: Mapping[str, Tensor]) -> None:
        """Goes on from what an earlier course learnt."""
        self.segments.data = difference["segments"].float()
        self.head.weight.data, self.head.bias.data = (difference[f"head.{part}"].float() for part in ("weight", "bias"))
        for key, layer in self.dense.items():
            prefix = f"dense.{_name(key)}."
            names = [name for name in difference if name.startswith(prefix)]
            layer.resume({name.removeprefix(prefix): difference[name].float() for name in names})

    def difference(self) -> dict[str, Tensor]:
        """What was learnt, as the service reads it."""
        whole = {"segments": self.segments, "head.weight": self.head.weight, "head.bias": self.head.bias}
        layers = [(f"dense.{_name(key)}", layer.difference()) for key, layer in self.dense.items()]
        parts = {f"{name}.{part}": value for name, learnt in layers for part, value in learnt.items()}
        return {name: _half(value) for name, value in whole.items()} | parts

    def _learning(self, number: int, name: str) -> LowRank | Whole:
        kind = Whole if number >= _LEARNS_WHOLE else LowRank
        return kind(self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _embedded(self, ids: Tensor, segments: Tensor) -> Tensor:
        table = self._weights
        words = table["embeddings.word_embeddings.weight"][ids]
        places = table["embeddings.position_embeddings.weight"][: ids.shape[1]]
        # Both questions begin as the one segment that MiniLM was made with.
        sides = table["embeddings.token_type_embeddings.weight"][0] + self.segments[segments]
        return self._norm("embeddings.LayerNorm", words + places + sides)

    def _layer(self, prefix: str, x: Tensor, mask: Tensor) -> Tensor:
        query, key, value = (_heads(self._dense(f"{prefix}.{name}", x)) for name in _ATTENTION)
        # Spelt out: torch's fused attention on CPUs takes five times as long to go back through texts this short.
        heed = (query @ key.transpose(2, 3) / query.shape[3] ** 0.5).masked_fill(~mask, -1e4).softmax(-1)
        seen = heed.to(value.dtype) @ value
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


def _name(key: str) -> str:
    return key.replace("/", ".")


def eight_bits(change: Tensor) -> dict[str, Tensor]:
    """A change of weights in eight bits each, on a scale for each row."""
    scale = _half(change.abs().amax(dim=1).clamp_min(1e-4) / 127)
    return {"change": (change / scale.float()[:, None]).round().clamp(-127, 127).to(torch.int8), "scale": scale}


def _half(value: Tensor) -> Tensor:
    return value.detach().half().contiguous()


def _heads(x: Tensor) -> Tensor:
    return x.view(*x.shape[:2], _HEADS, -1).transpose(1, 2)


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    weight = mask.unsqueeze(2).to(x.dtype)
    return (x * weight).sum(1) / weight.sum(1)
