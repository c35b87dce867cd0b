"""Where texts become tokens: short ones at once, long ones where nobody waits for them."""

import threading

from weft_inference.tokenising import tokenised


async def test_a_question_is_read_where_it_arrives_and_a_document_in_a_thread():
    here = threading.get_ident()
    assert await tokenised(threading.get_ident, characters=60) == here
    assert await tokenised(threading.get_ident, characters=16_000) != here
