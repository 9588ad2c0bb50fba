"""Searches a library: query -> shortlist -> rerank -> hits. Start at `engine.search`."""
