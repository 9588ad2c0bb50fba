"""Asks a library: sentence -> shortlist -> rerank -> hits. Start at `engine.search`."""
