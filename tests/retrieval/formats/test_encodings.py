"""Encodings: bytes become the characters that were meant, or are refused with what to do.

Sources: the WHATWG Encoding standard (encoding.spec.whatwg.org) and the section "determining the character encoding" of
the HTML standard; what people met is named beside it.
"""
# ruff: noqa: RUF001 - other alphabets are what this is about

import random

import pytest
from tests.support.cost import assert_linear

from weft_kit.rpc.errors import Invalid
from weft_retrieval.formats import ContentType, detect, parse

TEXTS = [ContentType.TEXT, ContentType.MARKDOWN, ContentType.HTML]
GERMAN = "Der Hafenmeister prüft täglich die Gebühren. Die Schlüssel hängen im Büro."
FRENCH = "Les marées sont annoncées à l'hôpital. Il a déjà payé la redevance."
RUSSIAN = "Плата за стоянку составляет девять марок за ночь."
JAPANESE = "停泊料は二十メートルを超えるすべての船舶について一泊九マルクです。"
CHINESE = "停泊费为每晚九马克，适用于超过二十米的所有船只，须在中午之前到港口办公室支付。"
TURKISH = "Bağlama ücreti her gemi için gecelik dokuz marktır. Kaptan öğleden önce liman ofisinde öder. Şimdi değişti."
KOREAN = "정박료는 이십 미터를 초과하는 모든 선박에 대해 하룻밤에 구 마르크이며 정오 전에 지불해야 합니다."


def text_of(content: bytes, kind: ContentType = ContentType.TEXT) -> str:
    return parse(content, kind).text.strip()


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        # jawah/charset_normalizer#358: short Spanish, taken for Big5 or Croatian
        ("cp1252", "Probar los siguientes términos: ñandú, ándale, ésta, índice, cargó, último"),
        # jawah/charset_normalizer#371: French, taken for Baltic
        ("cp1252", "Bonjour, je suis à la recherche d'une aide sur les étoiles"),
        # The Encoding standard's windows-1252: quotes and the euro sign are where Latin-1 has controls.
        ("cp1252", "It’s “quoted” – and costs 20 €."),
        ("cp1252", "Die Möwe übt."),
        ("cp1252", "La città è più bella. Perché non è già arrivato il capitano? Così può restare lunedì."),
        ("iso8859-1", "café"),
        # jawah/charset_normalizer#571: Czech in ISO-8859-2
        ("iso8859-2", "Přístavní poplatek je devět marek za noc. Loď může zůstat déle v přístavu."),
        ("cp1250", "Zażółć gęślą jaźń. Łódź może zostać dłużej."),
        ("cp1251", RUSSIAN),
        ("koi8-r", RUSSIAN),
        ("cp866", RUSSIAN),
        ("shift_jis", JAPANESE),
        # jawah/charset_normalizer#357: half-width kana
        ("cp932", "ﾊﾞｰｽ料金は一泊九マルクです。船舶の停泊料は事務所で支払ってください。"),
        ("euc_jp", JAPANESE),
        ("iso2022_jp", JAPANESE),
        ("gb18030", CHINESE),
        ("big5", "停泊費為每晚九馬克，適用於超過二十米的所有船隻。"),
        ("euc_kr", KOREAN),
        ("cp1253", "Το τέλος ελλιμενισμού είναι εννέα μάρκα τη νύχτα."),
        ("cp1255", "דמי העגינה הם תשעה מארקים ללילה לכל כלי שיט."),
        ("cp1256", "رسوم الرسو تسعة ماركات في الليلة لكل سفينة."),
        ("cp1254", TURKISH),
        ("cp874", "ค่าจอดเรือคืนละเก้ามาร์คสำหรับเรือทุกลำที่ยาวเกินยี่สิบเมตร"),
        # What old Macs and DOS wrote, which the WHATWG standard's browsers do not guess.
        ("mac_roman", GERMAN),
        ("mac_roman", FRENCH),
        ("cp850", GERMAN),
        ("cp437", GERMAN),
        ("cp850", "Rødgrød med fløde på Ærø"),
        ("cp852", "Opłata za postój wynosi dziewięć złotych za noc, proszę płacić w biurze portowym."),
        ("mac-cyrillic", RUSSIAN + " Паромы отправляются каждое утро в семь часов от северного причала."),
        # Latin-9, made for the euro sign: `l9` of the Encoding standard
        ("iso8859-15", "Le tarif est de 9 € la nuit, œuvre à régler à la capitainerie."),
        ("iso2022_kr", KOREAN),
    ],
)  # fmt: skip
def test_old_encodings_are_told_by_what_they_hold(encoding: str, text: str, kind: ContentType) -> None:
    assert text_of(text.encode(encoding), kind) == text


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [GERMAN, RUSSIAN, JAPANESE, CHINESE, KOREAN, "one two"], ids=range(6))
def test_wide_texts_need_no_byte_order_mark(text: str, encoding: str, kind: ContentType) -> None:
    # chardet/chardet#105, brianmario/charlock_holmes#141, esengine/DeepSeek-Reasonix#2891
    assert text_of(text.encode(encoding), kind) == text
    assert text_of(f"{text}\n{text}\n".encode(encoding)) == f"{text}\n{text}"


def test_a_page_in_utf_16_is_known_without_name_and_mark() -> None:
    page = "<!doctype html><h1>Gebühren</h1><p>neun Mark".encode("utf-16-le")
    assert detect("", page) is ContentType.HTML
    assert text_of(page, ContentType.HTML) == "Gebühren\n\nneun Mark"


@pytest.mark.parametrize("text", ["Bush hid the facts", "this app can break", "abcd" * 50])
def test_letters_are_never_taken_for_half_of_others(text: str) -> None:
    # "Bush hid the facts": Windows' IsTextUnicode took it for Chinese
    assert text_of(text.encode()) == text
    assert text_of(f"{text} é".encode("cp1252")) == f"{text} é"


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        # The Encoding standard, "names and labels": ASCII and Latin-1 are windows-1252.
        ('<meta charset="iso-8859-1">', "cp1252"),
        ("<META CHARSET=us-ascii>", "cp1252"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=windows-1252">', "cp1252"),
        ("<meta charset=gb2312>", "gb18030"),
        ("<meta charset=x-sjis>", "cp932"),
        ("<meta charset=ks_c_5601-1987>", "cp949"),
        ("<meta charset=x-mac-cyrillic>", "mac-cyrillic"),
        ("<meta charset=iso-8859-8-i>", "iso8859-8"),
        ('<?xml version="1.0" encoding="windows-1251"?>', "cp1251"),  # whatwg/html#1752: XML declarations count
        # Wrong labels: what nobody knows, and what the bytes cannot be.
        ("<meta charset=undefined>", "cp1252"),
        ("<meta charset=no-such>", "cp1252"),
        # Python's codecs are more than encodings of texts.
        ("<meta charset=rot13>", "cp1252"),
        ("<meta charset=zlib>", "cp1252"),
        ("<meta charset=utf-7>", "cp1252"),
        ('<meta charset="">', "cp1252"),
        ("<meta charset=utf-8>", "cp1252"),
        ("<meta charset=utf-8>", "cp1251"),
        # Standard, "prescan": a `meta` that can be read says that it is no UTF-16.
        ("<meta charset=utf-16>", "utf-8"),
        ("<meta charset=iso-8859-1>", "utf-8"),  # a server's or editor's default (xroche/httrack#963)
        ("<meta charset=shift_jis>", "utf-8"),
        ("<!-- <meta charset=gbk> -->", "cp1252"),
    ],
)
def test_what_a_page_says_of_its_encoding_holds_where_it_fits(head: str, encoding: str) -> None:
    text = {
        "cp1251": RUSSIAN, "mac-cyrillic": RUSSIAN, "gb18030": CHINESE, "cp932": JAPANESE, "cp949": KOREAN,
        "iso8859-8": "דמי העגינה",
    }.get(encoding, "Die Möwe übt täglich – im Café.")  # fmt: skip
    assert text_of(f"{head}<p>{text}</p>".encode(encoding), ContentType.HTML) == text


@pytest.mark.parametrize(
    "text",
    [
        '<?xml version="1.0" encoding="koi8-r"?>\n<port>Мир</port>',  # XML 1.0, 4.3.3
        "# -*- coding: koi8-r -*-\nname = 'Мир'",  # PEP 263
        "#!/usr/bin/env ruby\n# encoding: koi8-r\nname = 'Мир'",
        '@charset "koi8-r";\nq::before { content: "Мир" }',  # CSS Syntax, 3.2
        '/* vim: set fileencoding=koi8-r : */\nchar *name = "Мир";',
    ],
    ids=["xml", "python", "ruby", "css", "vim"],
)
def test_what_a_text_says_of_its_encoding_holds_where_it_fits(text: str) -> None:
    assert text_of(text.encode("koi8-r")) == text
    assert text_of(text.encode()) == text
    assert text_of(text.encode("utf-16")) == text


def test_a_page_called_latin_1_in_another_alphabet_is_read_in_that() -> None:
    # What editors and servers say by themselves: xroche/httrack#963
    for text, encoding in ((RUSSIAN, "cp1251"), ("Το τέλος ελλιμενισμού είναι εννέα μάρκα τη νύχτα.", "cp1253")):
        assert text_of(f"<meta charset=iso-8859-1><p>{text}</p>".encode(encoding), ContentType.HTML) == text
    page = "<meta charset=iso-8859-1><p>äöüß sind vier Buchstaben, größer als für Ärger nötig.</p>"
    assert text_of(page.encode("cp1252"), ContentType.HTML).startswith("äöüß sind")


@pytest.mark.parametrize("kind", TEXTS)
def test_a_few_foreign_bytes_do_not_cost_the_others(kind: ContentType) -> None:
    # logpai/loghub#50, Linuxfabrik/monitoring-plugins#917: most lines of a log are UTF-8, one is not
    lines = (
        ["Zufahrt zum Hafen geöffnet".encode()] * 5 + ["Café gesperrt".encode("cp1252")] + ["Möwe müde".encode()] * 5
    )
    read = text_of(b"\n".join(lines), kind)
    assert (read.count("geöffnet"), read.count("Café gesperrt"), read.count("Möwe müde")) == (5, 1, 5)


def test_some_utf_8_in_another_encoding_does_not_change_that() -> None:
    names = "Müller Jäger Grün Weiß Köln\n" * 5
    assert text_of(names.encode("cp1252") + "Größe".encode()).startswith(names)


def test_a_text_that_ends_within_a_character_is_read() -> None:
    assert text_of(f"{GERMAN} Möwe".encode()[:-3]).startswith(GERMAN)
    assert text_of(b"\xff\xfe" + GERMAN.encode("utf-16-le") + b"x").startswith(GERMAN)


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("content", [b"one two" + bytes(4000), bytes(4000) + b"one two", b"\xef\xbb\xbfone two\x00"])
def test_padding_and_holes_of_files_are_no_text(content: bytes, kind: ContentType) -> None:
    # logrotate/logrotate#286: `copytruncate` leaves a log that begins with NULs; blocks of disks end with them
    assert text_of(content, kind) == "one two"


def test_a_nul_parts_words() -> None:
    # find -print0, /proc/*/environ
    assert (
        text_of(b"quay/north.txt\x00quay/south.txt\x00quay/east.txt") == "quay/north.txt quay/south.txt quay/east.txt"
    )


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize(
    "content",
    [
        random.Random(1).randbytes(4000),
        random.Random(2).randbytes(301),
        b"\xff\xfe" + random.Random(3).randbytes(4000),
        bytes(range(256)) * 4,
        b"".join(n.to_bytes(4, "little") for n in range(0, 400_000, 397)),
    ],
    ids=["random", "short", "marked", "all", "numbers"],
)
def test_what_is_no_text_in_any_encoding_is_refused(content: bytes, kind: ContentType) -> None:
    with pytest.raises(Invalid) as caught:
        parse(content, kind)
    assert "binary data" in caught.value.message


def test_a_refusal_names_what_was_thought_of_and_a_command() -> None:
    ebcdic = "The mooring fee is nine marks a night, payable at the quay office. ".encode("cp037") * 3
    with pytest.raises(Invalid) as caught:
        parse(ebcdic, ContentType.TEXT)
    told = caught.value.message
    assert told.startswith("the document's encoding is unknown: it is not UTF-8 at byte 4, and like no other")
    assert told.endswith("convert it to UTF-8, for example with iconv -f ENCODING -t UTF-8")


def test_a_refusal_names_what_a_page_said_and_does_not_hold() -> None:
    with pytest.raises(Invalid, match=r"as gb18030 \d+ of \d+ characters are broken, it is not UTF-8 at byte"):
        parse(b"<meta charset=gbk>" + b"\x81\x20\xff\x9d\xb4" * 40, ContentType.HTML)


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Ge\u00adsamt\u00adkon\u00adzept", "Gesamtkonzept"),  # contao/core#8389, jhy/jsoup#978
        ("\u200efoo\u200f \u202bbar\u202c \ufeffbaz", "foo bar baz"),
        ("weft_\u200bretrieval", "weft_retrieval"),  # yomidevs/yomitan#633
        ("ค่า\u200bจอด", "ค่า\u200bจอด"),  # where it parts words it stays
        ("می\u200cخواهم 👩\u200d🚀", "می\u200cخواهم 👩\u200d🚀"),  # joiners are letters' business
    ],
)
def test_a_word_is_read_without_what_nobody_sees_in_it(written: str, read: str, kind: ContentType) -> None:
    assert text_of(f"x {written} y".encode(), kind) == f"x {read} y"


@pytest.mark.parametrize("unit", ["Möwe ", "船", "a\x00", "<meta charset", "\x1b$", "<!--", "é\u200b"])
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16-le"])
def test_telling_an_encoding_is_linear(unit: str, encoding: str) -> None:
    def read(text: str) -> object:
        try:
            return parse(text.encode(encoding), ContentType.HTML)
        except Invalid:
            return None

    assert_linear(read, lambda size: "x " + unit * (size // len(unit)), 16_000)
