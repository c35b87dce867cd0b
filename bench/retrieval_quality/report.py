"""The report: method, figures, and what retrieval still gets wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.document import machine
from bench.report.markdown import paragraph, table
from bench.retrieval_quality import aims, feedback, fusions
from bench.retrieval_quality.corpora import title
from bench.retrieval_quality.feedback import Change
from bench.retrieval_quality.filling import EXACT_WINDOWS
from bench.retrieval_quality.fusions import Compared
from bench.retrieval_quality.known_items import Recall
from bench.retrieval_quality.quality import Scores
from bench.retrieval_quality.reanalysis import CHUNKS
from bench.retrieval_quality.rerank import Vote
from bench.retrieval_quality.scale import RATE, ROUNDS, SECONDS, Stretch, Times

_USES_HEAD = ("set", "what was chosen on it", "what is reported of it", "in view while choosing")
_USES = (
    ("SciFact (300 claims)", "form of the fusion, weights of words' forms, settings of feedback", "all", "**yes**"),
    ("CACM (52 questions)", "the same", "all", "**yes**"),
    ("XQuAD, articles of even places", "what a word is", "nothing", "**yes**"),
    ("XQuAD, articles of odd places", "nothing", "their questions, asked of all paragraphs", "no"),
    ("JaQuAD dev, articles of even places", "what a word is", "nothing", "**yes**"),
    ("JaQuAD dev, articles of odd places", "nothing", "their questions, asked of all paragraphs", "no"),
)
_KNOWN = """\
Each question must find the paragraph it was asked of among all paragraphs of its language (XQuAD, 240 paragraphs;
JaQuAD's dev part): the share whose paragraph is among the first three hits. The embedder knows English only."""
_NOT_KNOWN = """\
Not measured: there was no folder with `xquad/LANGUAGE.json` (google-deepmind/xquad, CC BY-SA 4.0) and `jaquad/*.json`
(SkelterLabsInc/JaQuAD, CC BY-SA 3.0). Name it with SETS=folder."""
_METHOD = """\
SciFact (BEIR test: 5,183 abstracts, 300 claims) and CACM (3,204 abstracts, 52 judged questions) are ingested through
the service's own RPC into PostgreSQL, in chunks of 800 tokens whose windows of 256 the bundled all-MiniLM-L6-v2 embeds
at fp32, and searched through its Search RPC. A document stands where its best chunk does. ir-measures scores the first
ten places (nDCG@10) and the first hundred (recall)."""
_CHOSEN = """\
No number was fitted: both legs weigh the same, BM25 has Anserini's constants (k1 0.9, b 0.4), and each leg brings the
hundred chunks that a caller may ask for. The form was chosen with both collections in view: against reciprocal ranks,
which was here before, z-scores (SciFact .736, CACM .586, on the bare vectors) and scaling by each leg's lowest possible
score (best at other shares: .738 and .568). The other rows show the slope on both sides of equal weights: the top is at
or near them on both. Two collections of scientific English are few: other texts may want other weights, and
WEFT_RETRIEVAL_DENSE_WEIGHT sets them."""
_REFERENCE = """\
References on SciFact: BM25 .679 (Anserini), MiniLM .645, reciprocal rank fusion of the two .7153, the best published
MiniLM hybrid .7225, BGE-base .741. On CACM: BM25 .498, MiniLM .459, reciprocal rank fusion .558."""
_RERANK = """\
Rerank of the inference service (late interaction over MiniLM's token states, no cross-encoder) as a third, equal vote
over the first 20 hits, first 20 queries of each collection. It reads every hit again, which is what takes the time: 50
hits of 800 tokens are 40,000 tokens, ten seconds on a core. Search does not use it; an answer cannot wait that long."""
_SCALE = """\
Each collection is filled with chunks of eight sentences drawn at random from both public ones, in documents of 200
straight into the store, before its index is built. The vectors lie between two real ones, chosen by the text, plus
noise of length 0.3, and cost nothing to make. SciFact's claims are then searched in {rounds} rounds of {seconds} s
without feedback and as many with it, in turns, {rate} a second at fixed times whatever the searches before do, ten hits
each, through the Search RPC with the real embedder, whose time is in the figures. A figure is the median of its rounds
(lowest to highest). Client, service, PostgreSQL and embedder share the machine. "Hits as compared" is the share of hits
that are the same when every vector is compared: up to {exact:,} windows that is what a search does anyway."""
_INGEST = """\
Then a thousand chunks more come, in documents of ten, four at a time through the Ingest RPC, with such vectors, so that
what is measured is all but the embedder: reading, cutting, stemming, writing, one durable transaction a document. The
last column is the part of it that one window takes, its indexes included. The {first:,} chunks pass the size from which
a collection gets its index, which is built meanwhile on the same cores."""
_REANALYSIS = """\
A collection of {chunks:,} such chunks gets another language by UpdateCollection while nobody searches it: {per_s:.0f}
chunks a second are analysed again, the service at rest as long as it works."""
_LOSES = """\
- CACM's long questions: words of the question that say nothing ("articles", "interested in") count like any other.
- The words a text does not use: BM25 misses them, and MiniLM, a small encoder, finds them less often than a larger one
  would (BGE-base alone reaches .741 on SciFact). The embedder is a setting of the inference service.
- Adding to a collection of more than 10,000 windows costs what its HNSW index costs to keep: about half of ingest's
  time. A collection's writers take turns, so this is one core's work however many there are.
- Windows added one by one are linked less well than those an index was built over (reach 64 against 200). What that
  costs a collection that grew tenfold since its index was built is not measured here.
- On two cores the embedder, PostgreSQL and the BM25 arithmetic of one search hold each other up: embedding a claim
  takes 8 ms by itself, and 15 ms beside the keyword leg, whose own 5 ms of arithmetic become 11.
- The keyword leg reads all postings of the query's words. That grows with the collection: at a million chunks, a
  question of common words would take some 50 ms more.
- While the index of a collection is built that was filled at once (a restored backup, say), its searches compare
  every window, two at a time; what does not get its turn soon is answered by words alone. Its hits have no
  `dense`, and `weft_retrieval_dense_legs_left_out` counts them."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What searches find."""

    scores: Sequence[Scores]
    known: Sequence[Recall]
    changes: Sequence[Change]
    compared: Sequence[Compared]
    votes: Sequence[Vote]


@dataclass(frozen=True, slots=True)
class Scale:
    """What searches and ingests cost."""

    stretches: Sequence[Stretch]
    embedded_per_s: float
    reanalysed_per_s: float


@dataclass(slots=True)
class Measured:
    """Everything measured; a part that was left out is None."""

    quality: Quality | None = None
    scale: Scale | None = None


def render(measured: Measured) -> str:
    """Returns the text of bench/RETRIEVAL.md."""
    known = measured.quality.known if measured.quality else ()
    stretches = measured.scale.stretches if measured.scale else ()
    lines = ["# Retrieval, measured", "", *paragraph(f"Made by `make eval-retrieval` on {machine()}.")]
    lines += aims.render(aims.aims(known, stretches))
    lines += ["## What choices were made on", "", *table(_USES_HEAD, _USES, words=4)]
    if measured.quality:
        lines += _quality(measured.quality)
    if measured.scale:
        lines += _scale(measured.scale)
    lines += ["## Where it still loses", "", *_LOSES.splitlines()]
    return "\n".join(lines).rstrip() + "\n"


def _quality(quality: Quality) -> list[str]:
    lines = ["## Quality", "", *paragraph(_METHOD), *_scores(quality.scores)]
    lines += [*paragraph(_REFERENCE), *paragraph(_CHOSEN), *fusions.section(quality.compared)]
    lines += [*feedback.section(quality.changes), *_known(quality.known)]
    return [*lines, "### A third vote", "", *paragraph(_RERANK), *_votes(quality.votes)]


def _scale(scale: Scale) -> list[str]:
    stretches = scale.stretches
    method = _SCALE.format(rate=RATE, exact=EXACT_WINDOWS, rounds=ROUNDS, seconds=SECONDS)
    lines = ["## Scale", "", *paragraph(method), *_searches(stretches), *paragraph(_growth(stretches))]
    lines += ["## Ingest", "", *paragraph(_INGEST.format(first=stretches[0].chunks)), *_ingests(stretches)]
    lines += paragraph(_share(stretches, scale.embedded_per_s))
    lines += ["## Another language", ""]
    return lines + paragraph(_REANALYSIS.format(chunks=CHUNKS, per_s=scale.reanalysed_per_s))


def _known(known: Sequence[Recall]) -> list[str]:
    lines = ["### Known items, by language", ""]
    if not known:
        return [*lines, *paragraph(_NOT_KNOWN)]
    found = {(one.corpus, one.way): one for one in known}
    ways, corpora = (list(dict.fromkeys(getattr(one, key) for one in known)) for key in ("way", "corpus"))
    rows = (
        (title(corpus), str(found[corpus, ways[0]].questions), *(f"{found[corpus, way].recall:.3f}" for way in ways))
        for corpus in corpora
    )
    return [*lines, *paragraph(_KNOWN), *table(("", "questions", *ways), rows)]


def _scores(scores: Sequence[Scores]) -> list[str]:
    corpora = list(dict.fromkeys(score.corpus for score in scores))
    found = {(score.way, score.corpus): score for score in scores}
    head = ("", *(f"{corpus} {measure}" for corpus in corpora for measure in ("nDCG@10", "recall@100")))
    return table(
        head,
        (
            (
                way,
                *(
                    f"{figure:.4f}"
                    for corpus in corpora
                    for figure in (found[way, corpus].ndcg, found[way, corpus].recall)
                ),
            )
            for way in dict.fromkeys(score.way for score in scores)
        ),
    )


def _votes(votes: Sequence[Vote]) -> list[str]:
    head = ("", "nDCG@10 without", "with", "seconds a search")
    return table(
        head, ((vote.corpus, f"{vote.before:.4f}", f"{vote.after:.4f}", f"{vote.seconds:.1f}") for vote in votes)
    )


def _searches(stretches: Sequence[Stretch]) -> list[str]:
    head = ("chunks", "", "p50, ms", "p99, ms", "failed", "hits as compared", "index built in, s")
    rows = []
    for seen in stretches:
        index = f"{seen.index_s:.0f}" if seen.chunks > EXACT_WINDOWS else ""
        rows.append((f"{seen.chunks:,}", "search", *_times(seen.without), f"{seen.same_hits:.1%}", index))
        rows.append(("", "with feedback", *_times(seen.with_feedback), "", ""))
    return table(head, rows, words=2)


def _times(times: Times) -> tuple[str, ...]:
    return f"{times.p50:.1f}", f"{times.p99:.1f}", str(times.failed)


def _growth(stretches: Sequence[Stretch]) -> str:
    first, last = stretches[0], stretches[-1]
    times = last.without.p50.median / first.without.p50.median
    return f"From {first.chunks:,} to {last.chunks:,} chunks a search costs {times:.1f} times as much."


def _ingests(stretches: Sequence[Stretch]) -> list[str]:
    head = ("chunks there", "ingested, chunks/s", "ms a chunk", "adding its window, ms")
    return table(
        head,
        (
            (
                f"{seen.chunks:,}",
                f"{seen.ingested_per_s:.0f}",
                f"{1000 / seen.ingested_per_s:.1f}",
                f"{seen.window_ms:.1f}",
            )
            for seen in stretches
        ),
    )


def _share(stretches: Sequence[Stretch], embedded_per_s: float) -> str:
    last = stretches[-1].ingested_per_s
    return (
        f"The embedder makes vectors for {embedded_per_s:.1f} such chunks a second on one core, so everything else is "
        f"{last / embedded_per_s:.1f} times as fast: of the time to ingest a chunk it takes "
        f"{embedded_per_s / (embedded_per_s + last):.0%}."
    )
