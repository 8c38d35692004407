"""`python -m crowdmask` is the `crowdmask` command."""

from crowdmask.cli.main import main

if __name__ == "__main__":
    main()
