"""Replicas: one model behind several endpoints, asked as one."""
