"""`python -m cvtui` is the `cvtui` command."""

from cvtui.cli.main import main

if __name__ == "__main__":
    main()
