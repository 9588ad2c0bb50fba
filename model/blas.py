"""How OpenBLAS computes, of which NumPy's products are made. Import it before NumPy, which reads it only once.

After each product its other threads wait busily for 25 ms for the next one. In a search the joint pass needs these
cores: it takes a quarter longer, and two thirds more CPU time. They sleep at once instead (the least OpenBLAS takes is
2 ** 4 cycles), and wake within microseconds.
"""

import os

os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
