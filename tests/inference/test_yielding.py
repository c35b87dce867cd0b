"""What nobody waits for is computed by threads that let others go first."""

import os
import sys
import threading
from pathlib import Path

import pytest

from weft_inference.encoders import minilm
from weft_inference.encoders.batching import Batcher
from weft_inference.encoders.minilm_graph import Precision

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own")


def niceness_of(thread: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, thread)


class Watched:
    """A model that says how nice the thread is in which it runs."""

    def run(self, rows):
        return [niceness_of(threading.get_native_id())] * len(rows)


async def test_a_batcher_that_yields_runs_its_model_in_a_nicer_thread():
    async with Batcher(Watched(), 64, 64, yields=True) as documents, Batcher(Watched(), 64, 64) as questions:
        [nicer], [normal] = await documents.run([[1]], int), await questions.run([[1]], int)
    assert normal == niceness_of(threading.get_native_id())
    assert nicer > normal


def test_documents_are_read_by_nicer_threads_than_questions():
    before = threads()
    encoder = minilm.load(Precision.INT8, threads=2)
    assert encoder.yielding is not encoder
    nicenesses = sorted(niceness_of(thread) for thread in threads() - before)
    assert nicenesses[0] == niceness_of(threading.get_native_id()) < nicenesses[-1]


def threads() -> set[int]:
    return {int(task.name) for task in Path("/proc/self/task").iterdir()}


def test_documents_are_read_as_questions_are(encoder):
    row = encoder.windows("The mooring fee is nine marks a night.")[0]
    [document], [question] = encoder.yielding.run([row]), encoder.run([row])
    assert document.embedding @ question.embedding == pytest.approx(1)
