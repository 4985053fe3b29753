"""Servers that speak the OpenAI protocol: requests, streams, retries, and what they tell."""
