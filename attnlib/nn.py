"""torch modules around `heads`, for training; imported only by name."""

import torch

from attnlib._checks import check_count, check_data, check_head_counts
from attnlib.heads import MultiHeadParams, attend_in_heads


class MultiHeadAttention(torch.nn.Module):
    """Multi-head attention as a torch module: query, key, value (..., n, D).

    `num_kv_heads` < `num_heads` shares key-value heads among query heads. Masks are
    those of `multi_head_attention`: True = may attend, which is the opposite of
    torch.nn.MultiheadAttention. Without dropout; put torch.nn.Dropout around it.
    The four projections are called as layers: hooks, wrappers such as LoRA's and
    quantized layers may stand in their place.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        check_head_counts(num_heads, num_kv_heads)
        if check_count("embed_dim", embed_dim, least=1) % num_heads:
            raise ValueError(
                "embed_dim must be a multiple of num_heads, got "
                f"embed_dim={embed_dim} and num_heads={num_heads}"
            )
        self.num_heads, self.num_kv_heads = num_heads, num_kv_heads
        kv_dim = embed_dim // num_heads * num_kv_heads
        self.q_proj = torch.nn.Linear(embed_dim, embed_dim, bias=bias)
        self.k_proj = torch.nn.Linear(embed_dim, kv_dim, bias=bias)
        self.v_proj = torch.nn.Linear(embed_dim, kv_dim, bias=bias)
        self.out_proj = torch.nn.Linear(embed_dim, embed_dim, bias=bias)

    @property
    def params(self) -> MultiHeadParams:
        """The weights and biases as MultiHeadParams."""
        layers = (self.q_proj, self.k_proj, self.v_proj, self.out_proj)
        return MultiHeadParams(
            *(layer.weight for layer in layers), *(layer.bias for layer in layers)
        )

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor | None = None,
        value: torch.Tensor | None = None,
        *,
        attn_mask: torch.Tensor | None = None,
        is_causal: bool = False,
    ) -> torch.Tensor:
        """Attend from query to key and value; alone, query attends to itself."""
        key = query if key is None else key
        value = key if value is None else value
        check_data(query=query, key=key, value=value)
        joined = attend_in_heads(
            self.q_proj(query),
            self.k_proj(key),
            self.v_proj(value),
            self.num_heads,
            self.num_kv_heads,
            attn_mask=attn_mask,
            is_causal=is_causal,
        )
        return self.out_proj(joined)
