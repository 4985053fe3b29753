"""A suite out of a dataset on the hub: copy this file, and change what is given."""

import lrmtest


def final_number(row):
    """GSM8K's answers are worked out, and end in a line ``#### 1,234``."""
    return row["answer"].rpartition("#### ")[2].replace(",", "")


WORD_PROBLEMS = lrmtest.suite_from_hub(
    "openai/gsm8k",
    revision="cc7b047b6e5bb11b4f1af84efc572db110a51b3c",
    config="main",
    split="test",
    name="word-problems",
    question="question",
    answer=final_number,
    kind="integer",
)


@lrmtest.suite(WORD_PROBLEMS)
def test_word_problems(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
