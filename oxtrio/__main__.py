"""`python -m oxtrio` is the `oxtrio` command."""

from oxtrio.entry import main

main()
