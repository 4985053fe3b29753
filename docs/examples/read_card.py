"""A model card's evaluation results, as the hub's own library reads them."""

import sys

from huggingface_hub import ModelCard

for result in ModelCard.load(sys.argv[1]).data.eval_results:
    ends = [round(result.metric_args[end], 3) for end in ("low", "high")]
    print(result.dataset_name, result.metric_type, round(result.metric_value, 3), ends)
