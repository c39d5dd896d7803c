"""`python -m laser_phy.cli`."""

from laser_phy.cli import main

main()
