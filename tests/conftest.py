"""Set before torch is loaded, here and in every process that the tests start: on a machine whose cores are shared,
OpenMP's spinning threads make small nets a hundred times slower."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
