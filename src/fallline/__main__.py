"""``python -m fallline`` is the command line."""

from fallline.cli import main

main()
