"""Words of all scripts and of code are found as people write them: a text, a question, and a text that must not win."""

# ruff: noqa: RUF001 - letters that look alike are what this is about

from collections.abc import Sequence
from random import Random

import pytest
from tests.support.cost import cost_of

from weft_retrieval.analysis.analysis import analyzer, query_terms
from weft_retrieval.analysis.former_analysis import former_terms
from weft_retrieval.ranking.bm25 import (
    Bm25,
    Statistics,
    pack,
    rank,
)

# Each text is to be found before the other one; an empty question's answer would be neither.
FIRST = [
    # Combining marks belong to their word: UAX #29 WB4; DeytaHQ/khora#1388, vshulcz/deja-vu#2883,
    # duydo/elasticsearch-analysis-vietnamese#34 (whose list of scripts this is).
    ("hindi", "यह हिन्दी भाषा है", "हिन्दी", "यह हिसाब की भाषा है"),
    ("hindi vowel signs", "दिल्ली की किताब", "किताब", "दिल्ली का कातिब"),
    ("hindi nukta", "वह फ़िल्म देखता है", "फिल्म", "वह फल देखता है"),  # Lucene IndicNormalizer
    ("hindi joiner", "क्\u200dया बात", "क्या", "कया बात"),  # Lucene IndicNormalizer
    ("hindi digits", "कमरा ३४", "कमरा 34", "कमरा ३५"),  # Lucene DecimalDigitFilter
    ("hindi nasal, as a letter or as a dot", "हिन्दी में कंप्यूटर", "हिंदी कम्प्यूटर", "मराठी में पुस्तक"),
    ("gujarati nasal", "સુન્દર ઘર", "સુંદર", "સાદું ઘર"),
    ("bengali", "আমি বাংলা বলি", "বাংলা", "আমি বালি দেখি"),
    ("tamil", "நான் தமிழ் பேசுகிறேன்", "தமிழ்", "நான் தமர் பேசுகிறேன்"),
    ("telugu", "నేను తెలుగు మాట్లాడతాను", "తెలుగు", "నేను తలగ మాట్లాడతాను"),
    ("kannada", "ಕನ್ನಡ ಅಕ್ಷರಮಾಲೆ", "ಅಕ್ಷರಮಾಲೆ", "ಕನ್ನಡ ಅಕ್ಷರ"),
    ("malayalam chillu", "അവൻ വന്നു", "അവന്\u200d", "അവൾ വന്നു"),  # Unicode 5.1 chillus; Lucene IndicNormalizer
    ("sinhala", "සිංහල භාෂාව", "සිංහල", "සහල භාෂාව"),
    ("odia", "ଓଡ଼ିଆ ଭାଷା", "ଓଡ଼ିଆ", "ଓଡ଼ା ଭାଷା"),
    ("syriac", "ܕܙܝ̈ܬܐ", "ܕܙܝ̈ܬܐ", "ܕܙܝܢ"),  # projectEndings/staticSearch#164
    # Lucene ArabicNormalizer, PersianNormalizer.
    ("arabic vowels in the text", "كَتَبَ الرَّجُلُ", "كتب", "كاتب الرجل"),
    ("arabic vowels in the question", "كتب الرجل رسالة", "كَتَبَ", "قرأ الرجل رسالة"),
    ("arabic alef", "أحمد في البيت", "احمد", "محمد في البيت"),
    ("arabic teh marbuta", "مدرسة كبيرة", "مدرسه", "مدينة كبيرة"),
    ("arabic yeh", "مستشفى قريب", "مستشفي", "مسجد قريب"),
    ("arabic tatweel", "محـــمد هنا", "محمد", "محمود هنا"),
    ("arabic article", "مستشفى قريب", "المستشفى", "المسجد قريب"),  # Lucene ArabicStemmer; emdash-cms/emdash#2245
    ("arabic digits", "الغرفة ٣٤", "34", "الغرفة ٣٥"),
    ("persian letters", "کتاب فارسی", "كتاب فارسي", "باغ فارسی"),
    ("persian non-joiner", "من می‌خواهم", "میخواهم", "من نمی‌دانم"),
    ("persian non-joiner, a blank", "من می‌خواهم", "می خواهم", "من نمی‌دانم"),
    ("hebrew points", "שָׁלוֹם עולם", "שלום", "שבוע עולם"),
    ("hebrew gershayim", 'חיילי צה"ל', "צה״ל", "חיילי צבא"),  # UAX #29 WB7b
    # ICUFoldingFilter, ASCIIFoldingFilter.
    ("accent in the text", "horaires de l'hôpital", "hopital", "horaires du musée"),
    ("accent in the question", "horaires de l'hopital", "hôpital", "horaires du musee"),
    ("accents as written come first", "my résumé", "résumé", "my resume"),
    ("decomposed", "cafe\u0301 noir", "café", "thé noir"),
    ("vietnamese", "Việt Nam đẹp", "viet nam dep", "Lào xa"),
    ("umlaut", "Herr Müller kommt", "Mueller", "Herr Möller kommt"),
    ("umlaut left out", "Herr Müller kommt", "Muller", "Herr Möller kommt"),
    ("sharp s", "in der Hauptstraße", "hauptstrasse", "in der Hauptstadt"),
    ("ligature", "an œuvre", "oeuvre", "an opera"),
    ("polish", "Łódź jest miastem", "lodz", "Lublin jest miastem"),
    ("turkish", "ISPARTA ışık", "ısparta işik", "Bursa"),
    ("turkish dotted capital", "İstanbul güzel", "istanbul", "Ankara güzel"),
    ("greek accents", "η Αθήνα", "ΑΘΗΝΑ", "η Πάτρα"),
    ("greek final sigma", "ο δρόμος", "ΔΡΟΜΟΣ", "ο κήπος"),
    ("cyrillic yo", "новогодняя ёлка", "елка", "новогодняя палка"),
    ("cyrillic stress", "за\u0301мок", "замок", "замер"),
    ("cyrillic short i is a letter", "мой дом", "мой", "мои дом"),
    ("full width", "ＡＢＣ１２３", "abc123", "ABD124"),
    ("tie of the IPA", "sound g͡b here", "g͡b", "sound b here"),
    # Without blanks: CJKAnalyzer; typesense/typesense#228, emdash-cms/emdash#2245, deepset-ai/haystack#12836.
    ("chinese", "北京大学的学生", "大学", "学生很大"),
    ("chinese behind latin letters", "在Python里怎么读文件", "读文件", "在Python里写网页"),
    ("chinese, the sign that matters", "一只狗在追球", "小狗追球", "一只猫在睡觉"),
    ("japanese, the noun before the ending", "映画を見ました", "映画は面白かった", "本を見ました"),
    ("japanese", "東京都に住む", "東京", "京の東に住む"),
    ("japanese katakana", "コンピューターを買う", "コンピュータ", "ピアノを買う"),
    ("half-width katakana", "ｺﾝﾋﾟｭｰﾀ", "コンピュータ", "ピアノ"),
    ("korean particle", "서울은 크다", "서울", "부산은 크다"),
    ("korean jamo", "서울은 크다", "\u1109\u1165\u110b\u116e\u11af", "부산은 크다"),
    ("korean beside latin", "API를 부른다", "api", "APA를 부른다"),
    ("thai", "ความเหลื่อมล้ำในสังคม", "สังคม", "ความสุขของคนไทย"),
    ("thai word of one syllable", "มีงูในบ้าน", "งู", "มีปลาในบ้าน"),
    ("long thai", "ความเหลื่อมล้ำ" * 10 + "สังคม", "สังคม", "ความเหลื่อมล้ำ" * 10),
    ("lao", "ຂ້ອຍເວົ້າພາສາລາວ", "ພາສາ", "ຂ້ອຍກິນເຂົ້າ"),
    ("khmer", "ខ្ញុំនិយាយភាសាខ្មែរ", "ភាសា", "ខ្ញុំញ៉ាំបាយ"),
    ("burmese", "ကျွန်တော်မြန်မာစကားပြောတယ်", "စကား", "ကျွန်တော်ထမင်းစားတယ်"),
    ("tibetan", "བོད་སྐད་ཡིན", "སྐད", "བོད་ཡིག་ཡིན"),
    # Elision: Lucene's ElisionFilter; tutao/tutanota#9113, diasks2/pragmatic_tokenizer#45.
    ("french", "C'est l’hôpital", "hôpital", "C'est l’école"),
    ("french, asked with the article", "hôpital ouvert", "l'hôpital", "musée ouvert"),
    ("french, another apostrophe", "l`hôpital", "lʼhôpital", "l`école"),
    ("italian", "torno dall'isola", "isola", "torno dall'estero"),
    ("italian, asked with the article", "un'isola bella", "dall'isola", "dall'estero bella"),
    ("name", "d'Artagnan arrive", "artagnan", "d'Alembert arrive"),
    ("irish name", "Mr O'Brien", "obrien", "Mr O'Neill"),
    ("irish name, the other way", "Mr OBrien", "O’Brien", "Mr ONeill"),
    ("several", "rock'n'roll music", "rock roll", "folk music"),
    ("english", "we don’t know", "don't", "we do know"),
    ("possessive", "NASA's rocket", "nasa", "ESA's rocket"),
    ("ukrainian", "п'ять кіл", "пʼять", "шість кіл"),
    ("catalan", "la col·lecció", "colleccio", "la lliçó"),
    # Code: Lucene's WordDelimiterGraphFilter; google/perfetto#5054, NuGet/NuGet.Services.Metadata#628.
    ("c plus plus", "We write C++ here", "C++", "We write C here"),
    ("c is not c plus plus", "We write C here", "c", "We write C++ here"),
    ("c sharp", "We write C# here", "c#", "We write C++ here"),
    ("f sharp", "F# is functional", "F#.", "F is a letter"),
    ("dot net", "runs on .NET today", ".net", "a fishing net"),
    ("node.js", "uses node.js", "nodejs", "uses deno"),
    ("node.js, its parts", "uses node.js", "node", "uses deno"),
    ("code, without the hyphen", "see ERR-4031", "ERR4031", "see ERR-4032"),
    ("code, with the hyphen", "see ERR4031", "err-4031", "err err err 4030 4031"),
    ("code, with a blank", "see ERR4031", "err 4031", "see ERR-4032"),
    ("code, underscore", "see ERR_4031", "ERR-4031", "an err, and 4031 4031 times err"),
    ("the very code before its parts", "see ERR-4031", "ERR-4031", "err 4031 err 4031 err 4031"),
    ("camel case", "call getUserName now", "user name", "call getUserId now"),
    ("camel case, whole", "call getUserName now", "getusername", "get the name of the user"),
    ("capitals before a word", "an HTTPServer", "http server", "a DNSClient"),
    ("plural of capitals", "all PDFs", "pdfs", "all DFs"),
    ("snake case", "set max_retry_count", "maxRetryCount", "set max_value"),
    ("snake case, a part", "set max_retry_count", "retry", "set max_value"),
    ("screaming", "MAX_RETRY_COUNT=3", "max-retry-count", "MAX_VALUE=3"),
    ("version", "released 1.2.3", "1.2.3", "released 1.2.4"),
    ("version with a letter", "released v2.0.1-rc1", "2.0.1", "released v2.0.2-rc1"),
    ("date", "on 2026-09-30", "20260930", "on 2026-09-29"),
    ("decimal comma", "costs 3,50 €", "3.50", "costs 3,60 €"),
    ("thousands", "1,000 users", "1000", "2,000 users"),
    ("thousands and decimals", "1.000,00 €", "1,000.00", "1.000,50 €"),
    ("price", "only $9.99", "9.99", "only $9.49"),
    ("time", "at 10:30 sharp", "10:30", "at 10:45 sharp"),
    ("mac address, with other marks", "card 00:1A:2B:3C:4D:5E", "001A2B3C4D5E", "card 00:1A:2B:3C:4D:5F"),
    ("mac address, with hyphens", "card 00-1A-2B-3C-4D-5E", "00:1A:2B:3C:4D:5E", "card 00-1A-2B-3C-4D-5F"),
    ("thousands of code", "size = 1_000_000", "1000000", "size = 1_000_001"),
    ("address with a port", "at 192.168.0.1:8080", "192.168.0.1", "at 192.168.0.2:8080"),
    ("arabic decimals", "السعر ٣٫٥", "3.5", "السعر ٣ و٥"),
    ("keycap", "press 1\ufe0f\u20e3", "press 1", "press 2"),
    ("sharp", "We write C♯", "C#", "We write C"),
    ("architecture", "for x86_64", "x86-64", "for x86"),
    ("name and number", "COVID-19 rules", "covid19", "COVID rules"),
    ("okina", "from Hawaiʻi", "hawaii", "from Havana"),
    ("language with a slash", "in PL/SQL", "plsql", "in SQL"),
    ("scope", "std::vector<int>", "std::vector", "std::map<int>"),
    ("half", "½ cup", "1/2 cup", "12 cup"),
    ("one and a half", "1½ cups", "½", "11 cups"),
    ("trade mark", "the WEFT™ loom", "weft", "the WARP™ loom"),
    ("c plus plus of a year", "C++17 code", "c++", "C17 code"),
    ("c and c plus plus", "either C/C++", "C++", "either C or B"),
    ("telephone", "call 555-1234", "5551234", "call 555-1235"),
    ("e-mail address", "write to john.doe@example.com", "john.doe@example.com", "write to jane.doe@example.com"),
    ("host of a URL", "see https://docs.example.com/guide/start.html", "docs.example.com", "see https://www.example.org"),
    ("path", "edit /etc/hosts", "/etc/hosts", "edit /etc/passwd"),
    ("windows path", r"open C:\Users\anna", "anna", r"open C:\Users\bert"),
    ("uuid", "id 550e8400-e29b-41d4-a716-446655440000", "550e8400e29b41d4a716446655440000",
     "id 550e8400-e29b-41d4-a716-446655440001"),
    ("sku", "item AB-12-CD", "ab12cd", "item AB-12-CE"),
    ("part number", "6ES7/214-1BG40", "6ES7 214-1BG40", "6ES7/215-1BG40"),
    ("unit", "a bag of 10kg", "10 kg", "a bag of 20kg"),
    ("unit, the other way", "a bag of 10 kg", "10kg", "a bag of 20 kg"),
    ("formula", "H2O boils", "h2o", "H2 boils"),
    ("subscript", "H₂O boils", "h2o", "CO₂ boils"),
    ("hashtag", "#weft is out", "weft", "#warp is out"),
    ("emoji", "we shipped 🚀", "🚀", "we shipped 🎉"),
    ("flag", "🇫🇷 team", "🇫🇷", "🇩🇪 team"),
    ("skin tone", "ok 👍🏽", "👍", "ok 👎🏽"),
    # Hyphens: UTS #18, Lucene's HyphenatedWordsFilter; OpenSearch's documentation of word_delimiter_graph.
    ("hyphen", "send an e-mail", "email", "send a mail"),
    ("hyphen, the other way", "send an email", "e-mail", "send a mail"),
    ("hyphen that does not break", "send an e\u2011mail", "email", "send a mail"),
    ("soft hyphen", "the hos\u00adpital", "hospital", "the hospice"),
    ("word broken at a line's end", "the hospi-\ntal", "hospital", "the hospice"),
    ("zero width space", "one\u200btwo", "two", "onetwo"),
    ("word joiner", "wo\u2060rd", "word", "ward"),
    ("no-break space", "ten\u00a0crates", "crates", "ten boxes"),
    ("either or", "either/or", "either", "neither"),
    ("initials", "in the U.S.A. today", "USA", "in the U.K. today"),
    ("initials, the other way", "the USA today", "U.S.A.", "the UK today"),
    ("ampersand", "AT&T shares", "at&t", "BT shares"),
    ("ampersand of two letters", "our R&D budget", "R&D", "our RD-5 budget"),
    ("degree", "a Ph.D. thesis", "phd", "a MD thesis"),
    ("long compound", "die " + "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetzgebung",
     "rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetzgebung", "die Gesetzgebung"),
    ("checksum", "sha512 " + "0123456789abcdef" * 8, "0123456789abcdef" * 8, "sha512 " + "fedcba9876543210" * 8),
]  # fmt: skip
SYLLABLES = ("ing", "ter", "re", "con", "ment", "ous", "al", "ly", "tion", "ab", "es", "er")
NOT_AT_ALL = [
    ("cyrillic short i", "мои", "мой"),
    ("letters of another number", "ERR-4031", "5031"),
    ("thousands are no decimals", "3.5", "35"),
    ("joined by nobody", "one. two", "onetwo"),
    ("c", "C", "C++"),
    ("half of a number", "1/2", "12"),
]


def scores(query: str, texts: Sequence[str], language: str = "english") -> list[float]:
    """Returns what BM25 gives each text; 0 to one that is not found."""
    analysed = [analyzer(language)(text) for text in texts]
    wanted = query_terms(language, query)
    postings: dict[str, bytes] = {}
    for number, terms in enumerate(analysed):
        for term in terms.counts.keys() & wanted.keys():
            postings[term] = postings.get(term, b"") + pack(number, terms.counts[term], terms.length)
    statistics = Statistics(len(texts), sum(terms.length for terms in analysed))
    found = dict(rank(postings, wanted, statistics, Bm25(0.9, 0.4)).best(len(texts)))
    return [found.get(number, 0.0) for number in range(len(texts))]


@pytest.mark.parametrize(("text", "query", "other"), [row[1:] for row in FIRST], ids=[row[0] for row in FIRST])
def test_a_text_is_found_before_another_one(text, query, other):
    right, wrong = scores(query, [text, other])
    assert right > wrong


@pytest.mark.parametrize(("text", "query"), [row[1:] for row in NOT_AT_ALL], ids=[row[0] for row in NOT_AT_ALL])
def test_what_only_looks_alike_is_not_found(text, query):
    assert scores(query, [text]) == [0.0]


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("see ERR-4031 now", 4),
        ("call getUserName", 2),
        ("l'hôpital Müller", 2),
        ("東京都", 3),
        ("v1.2.3", 1),
        ("the", 0),
    ],
)
def test_a_word_counts_once_however_many_terms_it_has(text, length):
    # Lucene's similarities discount overlaps, so that a code does not make its text a long one.
    assert analyzer("english")(text).length == length


@pytest.mark.parametrize(
    ("language", "text", "query"),
    [
        ("french", "les hôpitaux", "hôpital"),
        ("french", "les hôpitaux", "hopital"),
        ("german", "Häuser", "Haus"),
        ("german", "Häuser", "haeuser"),
        ("simple", "l'hôpital", "hopital"),
        ("arabic", "السيارة الجديدة", "سيارة"),
        ("arabic", "سيارة جديدة", "السيارة"),
        ("arabic", "والمدرسة بعيدة", "مدرسة"),
    ],
)
def test_words_of_a_language_are_found_in_all_their_forms(language, text, query):
    assert scores(query, [text, "x"], language)[0] > 0


@pytest.mark.parametrize(
    "text",
    ["a" * 999 + "++", "." + "a" * 999, "1:" + "9" * 999, "1." * 999 + "1", "a-" * 999 + "b", "a'" * 999 + "b",
     "é" * 999, "ü" * 255, "x@" + "9a" * 999, "9" * 999 + "/2", "B" * 999 + "c"],
)  # fmt: skip
def test_no_term_is_longer_than_an_index_of_postgresql_takes(text):
    assert all(len(term.encode()) < 2_600 for term in analyzer("english")(text).counts)


def test_a_blob_is_no_word_and_what_is_beside_it_is_found():
    terms = analyzer("english")("x" * 256 + " ok \x00 _ -- ")
    assert list(terms.counts) == ["ok"]


def test_english_costs_about_as_much_as_it_did():
    chance = Random(3)
    words = ["".join(chance.choices(SYLLABLES, k=chance.randint(1, 4))) for _ in range(5_000)]
    drawn = chance.choices(words, [1 / (rank + 1) for rank in range(len(words))], k=2_000)
    prose = " ".join(
        f"{word.title()}." if n % 12 == 0 else f"{word}," if n % 9 == 0 else word for n, word in enumerate(drawn)
    )
    analyze = analyzer("english")
    ratios = (cost_of(lambda: analyze(prose)) / cost_of(lambda: former_terms("english", prose)) for _ in range(5))
    assert min(ratios) < 1.5
