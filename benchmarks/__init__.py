"""One script per claim; each prints its table (docs/development/benchmarks.md)."""

import model.blas  # noqa: F401  (before NumPy)
