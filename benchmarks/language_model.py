"""SmolLM2 on attnlib beside transformers, with the same weights, on the processor.

python -m benchmarks language_model [--threads 1 2] [--output FILE]
"""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

from benchmarks import measure
from benchmarks.attention import RESULTS, commit, rounded

PASTS, PROMPTS = (64, 512, 2048), (64, 192, 512)
BATCHES, BEHIND = (1, 4, 16, 64), 128  # texts written at once, tokens of each
TOKENS = 24  # of each past, one after the other
AGREE = 2e-4  # absolute, on logits; float32, 30 blocks


def llama(model):
    """Return transformers' model with the weights of ours."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    c = model.config
    built = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=c.vocabulary,
            hidden_size=c.features,
            intermediate_size=c.hidden,
            num_hidden_layers=c.layers,
            num_attention_heads=c.heads,
            num_key_value_heads=c.kv_heads,
            max_position_embeddings=c.context,
            rms_norm_eps=c.epsilon,
            rope_parameters={"rope_type": "default", "rope_theta": c.rotary_base},
            tie_word_embeddings=True,
        )
    ).eval()
    E = c.features // c.heads
    rows = [c.heads * E, c.kv_heads * E, c.kv_heads * E]
    named = {"model.embed_tokens": model.embedding, "model.norm": model.norm}
    for i, block in enumerate(model.blocks):
        query, key, value = np.split(block.query_key_value, np.cumsum(rows)[:2])
        gate, up = np.split(block.gate_up, 2)
        named |= {
            f"model.layers.{i}.{name}": weight
            for name, weight in {
                "self_attn.q_proj": halves(query, E),
                "self_attn.k_proj": halves(key, E),
                "self_attn.v_proj": value,
                "self_attn.o_proj": block.output,
                "mlp.gate_proj": gate,
                "mlp.up_proj": up,
                "mlp.down_proj": block.down,
                "input_layernorm": block.attention_norm,
                "post_attention_layernorm": block.mlp_norm,
            }.items()
        }
    named["lm_head"] = model.embedding
    built.load_state_dict(
        {f"{name}.weight": torch.from_numpy(x.copy()) for name, x in named.items()}
    )
    return built


def halves(weight, E):
    """Reorder the rows of each head: features in pairs (2i, 2i + 1) → (i, i + E/2)."""
    pairs = weight.reshape(-1, E // 2, 2, weight.shape[-1])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(weight.shape)


def measured():
    """Return what this process measures, with as many threads as it was started with.

    Raises RuntimeError where the two models do not agree.
    """
    import torch

    from attnlib.pretrained import load_smollm

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    model = load_smollm()
    peer = llama(model)
    words = np.random.default_rng(0).integers(1000, 30_000, max(PASTS) + 1).tolist()
    with torch.inference_mode():
        far = apart(model, peer, words[:100])
        if far > AGREE:
            raise RuntimeError(f"logits differ by {far:.1e}, more than {AGREE}")
        return {
            "logits_differ": far,
            "bytes_per_second": bandwidth(),
            "weight_bytes": sum(x.nbytes for b in model.blocks for x in b)
            + model.embedding.nbytes,
            "decode": [decode(model, peer, words[:n]) for n in PASTS],
            "prefill": [prefill(model, peer, words[:n]) for n in PROMPTS],
            "batches": [
                {"batch": batch} | decode(model, peer, words[:BEHIND], batch=batch)
                for batch in BATCHES
            ],
        }


def apart(model, peer, numbers):
    """Return the largest difference of the two models' logits."""
    import torch

    ours, _ = model.forward(numbers)
    return float(abs(ours - peer(torch.tensor([numbers])).logits[0].numpy()).max())


def decode(model, peer, numbers, *, batch=1):
    """Time a token more for each text of a batch, both models in turn."""
    import torch

    rows = np.tile(numbers, (batch, 1))
    _, cache = model.forward(rows, last=True)
    past = peer(torch.tensor(rows), logits_to_keep=1).past_key_values
    one, same, ours, theirs = rows[:, :1], torch.tensor(rows[:, :1]), [], []
    for _ in range(TOKENS):
        start = time.perf_counter()
        _, cache = model.forward(one, cache, last=True)
        middle = time.perf_counter()
        past = peer(same, past_key_values=past, logits_to_keep=1).past_key_values
        ours.append(middle - start)
        theirs.append(time.perf_counter() - middle)
    pair = {"attnlib": ours[2:], "transformers": theirs[2:]}
    return {"n": len(numbers)} | summed_up(pair)


def prefill(model, peer, numbers):
    """Time a whole prompt, both models in turns."""
    import torch

    prompt = torch.tensor([numbers])
    times = measure.in_turns(
        {
            "attnlib": lambda: model.forward(numbers, last=True),
            "transformers": lambda: peer(prompt, logits_to_keep=1),
        },
        seconds=12,
    )
    return {"n": len(numbers)} | {n: dataclasses.asdict(t) for n, t in times.items()}


def summed_up(seconds):
    """Name → seconds → name → median and quartiles."""
    return {n: dataclasses.asdict(measure.Times.of(s)) for n, s in seconds.items()}


def bandwidth():
    """Return the bytes a second that a dot product reads of a large array."""
    x = np.ones(2**27, np.float32)  # 512 MiB: no cache holds it
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        np.dot(x, x)
        rounds.append(time.perf_counter() - start)
    return x.nbytes / min(rounds)


def main(arguments):
    """Run the command line: a process for each number of threads."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks language_model")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument(
        "--output", type=pathlib.Path, default=RESULTS / "language_model.json"
    )
    options = parser.parse_args(arguments)
    runs = {}
    for threads in options.threads:
        names = (f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL"))
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.language_model"],
            env=os.environ | dict.fromkeys(names, str(threads)),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit((done.stderr.strip() or "it failed").splitlines()[-1])
        runs[threads] = json.loads(done.stdout.splitlines()[-1])
        print(f"{threads} threads: done")
    found = {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "hardware": measure.hardware(),
        "versions": measure.versions(("numpy", "torch", "transformers")),
        "runs": runs,
    }
    options.output.write_text(
        json.dumps(rounded(found), indent=1) + "\n", encoding="utf-8"
    )
    print(f"recorded in {options.output}")
    return 0


if __name__ == "__main__":
    print(json.dumps(measured()))
