"""GGUF files: read, and converted from and to safetensors."""
