"""How OpenBLAS computes, of which NumPy's products are made. Import it before NumPy, which reads it only once.

After each product its other threads wait busily for 25 ms for the next one, on cores that the joint pass of a search
needs. They sleep at once instead: the least that OpenBLAS takes is 2 ** 4 cycles (docs/development/benchmarks.md).
"""

import os

os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
