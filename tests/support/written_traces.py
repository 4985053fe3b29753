"""Traces that a small model has drawn, with independent figures of what it drew from."""

from __future__ import annotations

from array import array

from lrmtest.models.reading import Shaping, Written
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place


def plain_logits(model, ids):
    """Logits after each of `ids`, by one forward pass of transformers; shape (ids, vocabulary)."""
    import torch

    with torch.inference_mode():
        return model(torch.tensor([list(ids)])).logits[0].float()


def by_hand(logits, shaping: Shaping):
    """Processed probabilities of one place, by sorting; a list of floats."""
    import torch

    if shaping.greedy:
        probabilities = [0.0] * len(logits)
        probabilities[int(logits.argmax())] = 1.0
        return probabilities
    found = torch.softmax(logits.double() / shaping.temperature, -1).tolist()
    order = sorted(range(len(found)), key=lambda i: -found[i])
    kept = order[: shaping.top_k] if shaping.top_k else order
    kept = [i for i in kept if found[i] >= shaping.min_p * found[order[0]]]
    mass = sum(found[i] for i in kept)
    nucleus, before = set(), 0.0
    for i in kept:
        if before / mass >= shaping.top_p:
            break
        nucleus.add(i)
        before += found[i]
    return [p / before if i in nucleus else 0.0 for i, p in enumerate(found)]


def draw_traces(model, prompts, shaping: Shaping, length, seed=0) -> list[Written]:
    """One trace of each prompt; lengths differ."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    found = []
    for number, prompt in enumerate(prompts):
        tokens, logprobs = [], []
        for _ in range(length - number % 3):
            logits = plain_logits(model, [*prompt, *tokens])[-1]
            probabilities = torch.tensor(by_hand(logits, shaping), dtype=torch.float64)
            token = int(torch.multinomial(probabilities, 1, generator=generator))
            own = torch.log_softmax(logits, -1)[token]
            tokens.append(token)
            logprobs.append(float(own if shaping.greedy else probabilities[token].log()))
        trace = Trace(array("I", prompt), array("I", tokens), array("f", logprobs), ended=False)
        found.append(
            Written(Place(f"key-{number}", "sums", f"q{number // 2}", number % 2), trace, shaping)
        )
    return found


def save_pruned(source, folder, least=0.1):
    """A copy of a model's folder without its weights below `least`; the model."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(source)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.where(weight.abs() < least, 0.0, weight))
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / name).write_bytes((source / name).read_bytes())
    return model
