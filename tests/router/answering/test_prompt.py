"""Sources in the prompt: numbered, only as many as fit, and the conversation untouched."""

from hypothesis import given
from hypothesis import strategies as st
from tests.router.harness import user

from weft.common.v1 import chat_pb2
from weft.retrieval.v1 import retrieval_pb2
from weft_kit.catalog.context_template import ContextTemplate
from weft_router.job.token_estimate import estimated_tokens
from weft_router.pipeline.prompt import compose, question

SYSTEM = chat_pb2.Message(role=chat_pb2.ROLE_SYSTEM, parts=[chat_pb2.ContentPart(text="Be brief.")])
TEMPLATE = ContextTemplate()
ANSWER = chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, parts=[chat_pb2.ContentPart(text="Yes.")])


def hit(number: int, text: str = "Some text.") -> retrieval_pb2.Hit:
    return retrieval_pb2.Hit(chunk_id=f"c{number}", document_id="d", title="Guide", text=text, score=1 / number)


def test_sources_stand_numbered_before_the_question() -> None:
    prompt = compose([SYSTEM, user("Why?")], [hit(1), hit(2)], room_tokens=1000, template=TEMPLATE)

    assert prompt.messages[0] == SYSTEM
    text = "".join(part.text for part in prompt.messages[1].parts)
    assert text.index("[1] Guide\nSome text.") < text.index("[2] Guide\nSome text.") < text.index("Question: Why?")
    assert [source.chunk_id for source in prompt.sources] == ["c1", "c2"]


def test_the_conversation_itself_is_not_changed() -> None:
    asked = user("Why?")
    compose([asked], [hit(1)], room_tokens=1000, template=TEMPLATE)
    assert asked == user("Why?")


def test_sources_go_to_the_last_question_though_others_spoke_after_it() -> None:
    prompt = compose([user("First?"), ANSWER, user("Why?"), ANSWER], [hit(1)], room_tokens=1000, template=TEMPLATE)

    assert [len(message.parts) for message in prompt.messages] == [1, 1, 2, 1]


def test_the_lowest_ranked_sources_are_dropped_when_there_is_no_room() -> None:
    hits = [hit(number, "word " * 60) for number in (1, 2, 3)]
    prompt = compose([user("Why?")], hits, room_tokens=300, template=TEMPLATE)

    assert [source.chunk_id for source in prompt.sources] == ["c1", "c2"]
    assert "[3]" not in prompt.messages[0].parts[0].text


def test_a_prompt_without_room_for_any_source_is_the_conversation() -> None:
    assert compose([user("Why?")], [hit(1)], room_tokens=10, template=TEMPLATE).messages == [user("Why?")]
    assert compose([user("Why?")], [], room_tokens=1000, template=TEMPLATE).sources == ()


@given(st.lists(st.text(min_size=1, max_size=400), max_size=8), st.integers(0, 1000))
def test_sources_never_overflow_the_room(texts: list[str], room: int) -> None:
    conversation = [SYSTEM, user("Why?")]
    prompt = compose(conversation, [hit(number, text) for number, text in enumerate(texts, start=1)], room, TEMPLATE)

    # Line breaks between the blocks may add a token each.
    assert not prompt.sources or estimated_tokens(prompt.messages) <= room + len(prompt.sources)


def test_the_question_is_what_the_user_said_last() -> None:
    assert question([user("First?"), ANSWER, user("Why?"), ANSWER]) == "Why?"
    assert question([SYSTEM]) == ""


def test_an_image_takes_the_room_of_a_large_one() -> None:
    shown = user("What is this?")
    shown.parts.add().image.url = "https://example.com/cat.png"

    assert estimated_tokens([shown]) == estimated_tokens([user("What is this?")]) + 1600
    assert compose([shown], [hit(1)], room_tokens=1600, template=TEMPLATE).sources == ()


def test_sources_stand_in_the_words_of_the_catalog() -> None:
    template = ContextTemplate(instructions="Read:", source="<{number} {uri}>{text}</>", question="")
    found = hit(1)
    found.source_uri = "a.md"

    (asked,) = compose([user("Why?")], [found], 1000, template).messages

    assert "".join(part.text for part in asked.parts) == "Read:\n\n<1 a.md>Some text.</>Why?"


def test_a_source_says_how_each_leg_of_the_search_saw_it() -> None:
    found = hit(1)
    found.keyword.rank, found.keyword.score = 3, 7.5

    (source,) = compose([user("Why?")], [found], 1000, TEMPLATE).sources

    assert (source.keyword.rank, source.keyword.score) == (3, 7.5)
    assert not source.HasField("dense")
