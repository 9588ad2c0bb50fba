"""The command line: one module a command, put together in `cli.main`."""

import model.blas  # noqa: F401  (before NumPy)
