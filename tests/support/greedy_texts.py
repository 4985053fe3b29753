"""What transformers' own `generate` makes of prompts, greedily, each alone."""

import torch


def greedy_texts(model, prompts, budget, **settings):
    """The new token ids of each prompt."""
    texts = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        output = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=budget,
            do_sample=False,
            pad_token_id=0,
            **settings,
        )
        texts.append(output[0, len(prompt) :].tolist())
    return texts
