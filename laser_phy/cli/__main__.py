"""`python -m laser_phy.cli`."""

from laser_phy.cli import main

if __name__ == "__main__":
    main()
