"""GPTQ and AWQ by llmcompressor, in the environment that has it."""
