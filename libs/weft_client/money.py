"""Money as the contract counts it and as people read it."""

MICROS = 1_000_000
"""In a currency's unit."""


def amount(micros: int, currency: str = "") -> str:
    """Returns 2,500,000 as 2.50, and whatever is smaller than a hundredth with all its digits."""
    whole, rest = divmod(micros, MICROS)
    digits = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{whole:,}.{digits} {currency}".rstrip()
