"""`python -m laser_phy`: the command line."""

from laser_phy.cli import main

if __name__ == "__main__":
    main()
