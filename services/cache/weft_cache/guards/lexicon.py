"""Words that stand for different things where one text has one of them and the other text another."""

from collections.abc import Mapping
from typing import Final

from weft_cache.guards.words import stem

# Both of a pair in one text is fine: only one text's `buy` against the other's `sell` tells two questions apart.
_OPPOSITES: Final = """
increase decrease|increase reduce|raise lower|raise reduce|grow shrink|expand shrink|open close|buy sell|start stop|
start end|begin end|enable disable|activate deactivate|add remove|add delete|insert delete|create delete|save delete|
lock unlock|block unblock|freeze unfreeze|mute unmute|upload download|send receive|gain lose|win lose|best worst|
better worse|good bad|advantage disadvantage|pro con|benefit drawback|benefit risk|most least|more less|more fewer|
first last|before after|with without|left right|hot cold|warm cool|high low|higher lower|highest lowest|
maximum minimum|max min|cheap expensive|cheapest expensive|easy hard|easy difficult|easier harder|fast slow|
faster slower|love hate|like dislike|male female|man woman|men women|boy girl|boyfriend girlfriend|husband wife|
internal external|internally externally|import export|legal illegal|possible impossible|old new|old young|
older younger|oldest youngest|oldest newest|latest earliest|early late|inside outside|indoor outdoor|above below|over
under|install uninstall|follow unfollow|subscribe unsubscribe|connect disconnect|attach detach|mount unmount|
login logout|debit credit|deposit withdraw|deposit withdrawal|lend borrow|accept reject|accept decline|
approve reject|allow deny|allow forbid|allow block|grant revoke|public private|cause effect|large small|big small|
larger smaller|bigger smaller|largest smallest|biggest smallest|long short|longer shorter|longest shortest|
tall short|rich poor|happy sad|happy unhappy|strong weak|input output|forward backward|morning evening|day night|on off|
up down|in out|always never|all none|everyone nobody|show hide|join leave|pass fail|succeed fail|improve worsen|
positive negative|true false|safe dangerous|safe unsafe|safe harmful|healthy unhealthy|full empty|arrive depart|
arrival departure|incoming outgoing|inbound outbound|ascending descending|encrypt decrypt|encode decode|
compress decompress|push pull|push pop|read write|get set|parent child|client server|buyer seller|employer employee|
landlord tenant|teacher student|doctor patient|sender recipient|lender borrower|winner loser|refund charge|
single married|sunrise sunset|birth death|born die|live die|war peace|front back|top bottom|upper lower|
manual automatic|manually automatically|online offline|free paid|wet dry|light dark|hard soft|heavy light|clean dirty|
attack defend|guilty innocent|gain loss|profit loss|supply demand|shallow deep|wide narrow|thick thin|increase cut|
introvert extrovert|capitalism communism|ancient modern|expire renew|cancel renew|cancel book|hire fire|odd even|
"""
_SIBLINGS: Final = """
monday tuesday wednesday thursday friday saturday sunday|january february march april may june july august september
october november december|spring summer autumn winter|today tomorrow yesterday|breakfast lunch dinner|
english french german spanish italian portuguese russian hindi chinese japanese korean arabic turkish dutch polish|
android ios windows linux macos ubuntu|python java javascript ruby php rust golang perl kotlin scala typescript|
physics chemistry biology mathematics history geography economics|who when where|
north south east west|northern southern eastern western|mother father brother sister son daughter uncle aunt|
red blue green yellow black white orange purple pink brown|cat dog horse cow pig sheep|
kilometer mile meter foot inch centimeter yard|kilogram pound gram ounce|celsius fahrenheit kelvin|
dollar euro pound rupee yen yuan franc|gigabyte megabyte terabyte kilobyte|second minute hour|
hourly daily weekly monthly quarterly yearly|once twice thrice|visa mastercard amex paypal|
mercury venus earth mars jupiter saturn uranus neptune pluto|gold silver bronze platinum copper|
"""
_UNITS: Final = {
    "km": "kilometer", "kms": "kilometer", "mi": "mile", "cm": "centimeter", "ft": "foot", "feet": "foot",
    "inches": "inch", "kg": "kilogram", "kgs": "kilogram", "lb": "pound", "lbs": "pound", "oz": "ounce",
    "usd": "dollar", "eur": "euro", "gbp": "pound", "inr": "rupee", "rs": "rupee", "gb": "gigabyte", "mb": "megabyte",
    "tb": "terabyte", "kb": "kilobyte", "kilometre": "kilometer", "metre": "meter", "fall": "autumn",
    "centimetre": "centimeter", "kilometres": "kilometer", "metres": "meter", "sec": "second", "secs": "second",
    "min": "minute", "mins": "minute", "hr": "hour", "hrs": "hour", "annually": "yearly", "maths": "mathematics",
    "math": "mathematics", "mac": "macos", "osx": "macos",
}  # fmt: skip


def level(word: str) -> str:
    """The form under which a word is listed: its stem, abbreviated units spelt out."""
    return stem(_UNITS.get(word, word))


def _rivals() -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for group in (_OPPOSITES + "|" + _SIBLINGS).split("|"):
        words = {level(word) for word in group.split()}
        for word in words:
            found.setdefault(word, set()).update(words - {word})
    return {word: frozenset(rivals) for word, rivals in found.items()}


RIVALS: Final = _rivals()
"""For every listed word those that exclude it, all levelled."""
