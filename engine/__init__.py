"""Searches a library: query -> shortlist -> rerank -> hits. Start at `engine.search`."""

import model.blas  # noqa: F401  (before NumPy)
