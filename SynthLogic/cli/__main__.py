"""``python -m SynthLogic.cli``: the command line where its script is not on the path."""

from SynthLogic.cli import main

if __name__ == "__main__":
    main()
