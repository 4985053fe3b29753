"""The score of arXiv 2504.02010: which modules carry which behaviour of reasoning."""
