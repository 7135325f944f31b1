"""`python -m cvtui.labs FOLDER`: see worker.py."""

import sys

from cvtui.labs.worker import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
