"""The reference pages, made from the code and the contract they describe: `make docs` writes them."""
