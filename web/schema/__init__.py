"""Requests and responses of the API as pydantic models, by theme.

They are the one source for validation, JSON and the OpenAPI document.
"""
