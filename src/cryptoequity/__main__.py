"""``python -m cryptoequity``."""

from importlib import import_module

if __name__ == "__main__":
    raise SystemExit(import_module("cryptoequity.cli").main())
