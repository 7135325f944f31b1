"""`python -m cvtui.labs FOLDER`: see worker.py."""

import sys

from cvtui.engine.runtime.fast_start import end
from cvtui.labs.worker import main

if __name__ == "__main__":
    end(main(sys.argv[1:]))
