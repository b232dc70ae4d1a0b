"""`python -m xfrmlint`."""

from xfrmlint.cli import main

if __name__ == "__main__":
    main()
