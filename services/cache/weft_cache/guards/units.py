"""Units of numbers: the dimension that each measures, and its size in that dimension."""

from typing import Final

CURRENCIES: Final = {
    "$": "dollar", "usd": "dollar", "dollar": "dollar", "dollars": "dollar", "€": "euro", "eur": "euro",
    "euro": "euro", "euros": "euro", "£": "pound", "gbp": "pound", "₹": "rupee", "rs": "rupee", "inr": "rupee",
    "rupee": "rupee", "rupees": "rupee", "¥": "yen", "jpy": "yen", "yen": "yen",
}  # fmt: skip
_DIMENSIONS: Final = {
    "length": "mm 1 millimeter 1 cm 10 centimeter 10 centimetre 10 meter 1000 metre 1000 km 1000000 kms 1000000 "
    "kilometer 1000000 kilometre 1000000 inch 25.4 inches 25.4 ft 304.8 foot 304.8 feet 304.8 yard 914.4 mile 1609344 "
    "mi 1609344",
    "mass": "mg 1 milligram 1 g 1000 gram 1000 kg 1000000 kgs 1000000 kilo 1000000 kilogram 1000000 oz 28349.5 "
    "ounce 28349.5",
    "pound": "lb 1 lbs 1 pound 1",  # of mass or of money
    "time": "sec 1 second 1 min 60 minute 60 hr 3600 hour 3600 day 86400 week 604800",
    "age": "month 1 year 12 yr 12 decade 120 century 1200 centuries 1200",
    "data": "byte 1 kb 1e3 mb 1e6 gb 1e9 tb 1e12 kilobyte 1e3 megabyte 1e6 gigabyte 1e9 terabyte 1e12",
    "volume": "ml 1 milliliter 1 liter 1000 litre 1000 gallon 3785.41",
    "celsius": "celsius 1",
    "fahrenheit": "fahrenheit 1",
    "percent": "% 1 percent 1 pct 1 percentage 1",
    "power": "watt 1 kw 1000 mw 1e6",
    "pixels": "mp 1 megapixel 1",
    "miles an hour": "mph 1",
    "kilometers an hour": "kmph 1 kph 1",
}


def _units() -> dict[str, tuple[str, float]]:
    found = {name: (currency, 1.0) for name, currency in CURRENCIES.items()}
    for dimension, text in _DIMENSIONS.items():
        names = iter(text.split())
        found |= {name: (dimension, float(factor)) for name, factor in zip(names, names, strict=True)}
    return found


_UNITS: Final = _units()


def unit(word: str) -> tuple[str, float] | None:
    """Returns a unit's dimension and its size in that dimension; None for other words."""
    return _UNITS.get(word) or (_UNITS.get(word[:-1]) if word.endswith("s") else None)
