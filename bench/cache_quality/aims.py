"""The aims of the semantic tier, and whether they were reached."""

from collections.abc import Mapping, Sequence
from typing import Final

from bench.cache_quality.results import Result
from bench.cache_quality.sections import wrong_of
from bench.report.document import Aim, aims_section

_INTENT_STORES: Final = ("CLINC150", "banking77")
_QUORA: Final = "Quora"
_BANKING: Final = "banking77, an answer an intent"
_ABOUT: Final = (
    "At the threshold that ships, in brackets the 95 % interval. An aim is met when the figure is, as counted."
)


def aims(stores: Mapping[str, Result], all_results: Sequence[Result], threshold: float) -> list[Aim]:
    """Returns every aim of the tier's quality; `stores` are the results of whole sets, by name."""
    return [
        *(_few_wrong(stores.get(name), name, threshold) for name in _INTENT_STORES),
        *_quora(stores.get(_QUORA), threshold),
        *_banking(stores.get(_BANKING), threshold),
        _no_worse_than_cosine(all_results, threshold),
    ]


def render(found: Sequence[Aim]) -> list[str]:
    """Returns the table at the top of the report."""
    return aims_section(found, _ABOUT)


def _few_wrong(one: Result | None, name: str, threshold: float) -> Aim:
    wanted = f"{name}, unique answers: at most 2 % of the hits are wrong"
    if one is None:
        return Aim(wanted, "-", None)
    tier = one.served(threshold)
    return Aim(wanted, wrong_of(tier), tier.hits > 0 and tier.wrong_share.rate <= 0.02)


def _quora(one: Result | None, threshold: float) -> list[Aim]:
    wrong, recall = "Quora, unique answers: at most 5 % of the hits are wrong", "Quora, unique answers: recall of 25 %"
    if one is None:
        return [Aim(wrong, "-", None), Aim(recall, "-", None)]
    tier = one.served(threshold)
    return [
        Aim(wrong, wrong_of(tier), tier.hits > 0 and tier.wrong_share.rate <= 0.05),
        Aim(recall, f"{one.recall(tier):.1%}", one.recall(tier) >= 0.25),
    ]


def _banking(one: Result | None, threshold: float) -> list[Aim]:
    hits, wrong = f"{_BANKING}: 50 % hits", f"{_BANKING}: at most 1 % of the hits are wrong"
    if one is None:
        return [Aim(hits, "-", None), Aim(wrong, "-", None)]
    tier = one.served(threshold)
    return [
        Aim(hits, f"{tier.hit_share:.1%}", tier.hit_share >= 0.5),
        Aim(wrong, wrong_of(tier), tier.hits > 0 and tier.wrong_share.rate <= 0.01),
    ]


def _no_worse_than_cosine(results: Sequence[Result], threshold: float) -> Aim:
    wanted = "no set on which one cosine serves as many hits with fewer wrong"
    if not results:
        return Aim(wanted, "-", None)
    worse = [one for one in results if one.served(threshold).wrong > one.by_as_many(threshold).wrong]
    said = "; ".join(
        f"{one.name}: {one.served(threshold).wrong} wrong, cosine {one.by_as_many(threshold).wrong}" for one in worse
    )
    return Aim(wanted, said or f"none of {len(results)}", not worse)
