"""HTML: what a reader of the page would see is read, and what surrounds it stays out where a text is left.

Elements and their rendering: the HTML standard (html.spec.whatwg.org); what people met is named beside it.
"""

import pytest
from tests.support.cost import assert_linear

from weft_kit.rpc.errors import Invalid
from weft_retrieval.formats import ContentType, Parsed, parse
from weft_retrieval.uploads import Upload

FEE = "The mooring fee is nine marks a night."
TEXT = f"<h1>Harbour fees</h1><p>{FEE}</p>"
MENU = "<nav><a href=/>Home</a><a href=/news>All the news</a><a href=/about>About the harbour</a></nav>"
FOOTER = "<footer><p>© Harbour Ltd. All rights reserved. Imprint.</p></footer>"
CONSENT = (
    '<div id="cookie-banner" class="cookie-banner" role="dialog"><p>We use cookies to improve this site, to measure '
    "its use and to show advertisements. By continuing you accept our policy.</p><button>Accept all</button></div>"
)  # fmt: skip
LONG = f"<p>{FEE} Larger vessels pay at the office.</p>" * 6
LINKS = "".join(f"<li><a href=/{n}>Chapter {n}</a>" for n in range(20))


def read(html: str) -> Parsed:
    return parse(html.encode(), ContentType.HTML)


def paragraphs(html: str) -> list[str]:
    return read(html).text.removesuffix("\n\n").split("\n\n")


@pytest.mark.parametrize(
    "page",
    [
        f"{CONSENT}{MENU}<main>{TEXT}</main>{FOOTER}",
        f"{CONSENT}{MENU}{TEXT}{FOOTER}",
        f"{MENU}<div>{TEXT}</div><aside>Read on: <a href=/x>All about cranes</a></aside>{FOOTER}",
        f"<header role=banner>Harbour Ltd.</header>{MENU}<article>{TEXT}</article><aside>Buy our tide table</aside>",
        f"<main>{TEXT}</main><form role=search><input name=q value=boats><button type=submit>Go</button></form>",
        f"<body class=has-cookie-banner><div class=cc-window>Cookies?</div>{MENU}<div role=main>{TEXT}</div>",
        f"<main>{TEXT}</main>{FOOTER * 20}",
        f"<aside><article><p>Elsewhere on this site</p></article></aside><div>{TEXT}</div>",
        f"<header><a href=/>Harbour Ltd.</a><a href=/n>News</a><h1>Fees</h1></header><main>{TEXT}</main>",
        f"{TEXT}<div id=CybotCookiebotDialog>This site uses cookies</div><div hidden>Not for you</div>",
        f"{TEXT}<div class='modal fade' aria-hidden=true role=dialog><p>Log in to go on</p></div>",
        f"<main>{TEXT}</main><p>{TEXT[:9]}</p><div aria-hidden=true><a href=/a>Open the menu</a></div>",
        f"{TEXT}<script>draw()</script><style>p{{}}</style><template>row</template><noscript>No script?</noscript>",
        f"{TEXT}<i class=material-icons>expand</i><datalist><option>x</datalist><video>Update your browser</video>",
        f"{TEXT}<select>{'<option>Land' * 200}</select>",
    ],
)
def test_what_surrounds_a_page_stays_out(page: str) -> None:
    # firecrawl/firecrawl#78, mozilla/readability#514: cookie texts instead of, or beside, the article
    assert paragraphs(page) == ["Harbour fees", FEE]


@pytest.mark.parametrize(
    "page",
    [
        f"<form id=aspnetForm method=post>{TEXT}</form>",  # dankito/Readability4J#21, kepano/defuddle#115
        f"<main><form>{TEXT}<input type=submit value=Pay></form></main>",
        f"<html hidden><body>{MENU}{TEXT}",
        f"<body hidden style='display:none'>{TEXT}",
        f"<body style='opacity:0;visibility:hidden' aria-hidden=true>{MENU}{TEXT}{FOOTER}",  # AMP, anti-flicker scripts
        f"<main hidden>{TEXT}</main>",
        f"<div aria-hidden=true><div class=letter>{TEXT}</div></div>",  # kepano/defuddle#162
        f"<main></main>{TEXT}",
        f"<main></main><main>{TEXT}</main>",
        f"<article></article><article>{TEXT}</article>",
        f"<aside>{TEXT}</aside>",  # adbar/trafilatura#569
        f"<footer>{TEXT}</footer>",
        f"<nav>{TEXT}</nav>",
        f"<header><h1>Harbour fees</h1></header><article><p>{FEE}</p></article>",  # adbar/trafilatura#642
        f"<header role=banner><h1>Harbour fees</h1></header><main><p>{FEE}</p></main>",
        f"<article><header><h1>Harbour fees</h1></header><footer>{FEE}</footer></article>",
        f"<h1>Harbour fees<p>{FEE}",
        f"<h1>Harbour fees</h1>{FEE}<table>",
        f"<my-app><my-page>{TEXT}</my-page></my-app>",
        f"<my-app><template shadowrootmode=open>{TEXT}<slot></slot></template></my-app>",  # whatwg/html#5465
        f"<frameset><frame src=x></frameset><noframes><body>{TEXT}</noframes>",
        f"<iframe srcdoc=\"{TEXT.replace('<', '&lt;')}\"></iframe>",
        f"<table><tr><td>{TEXT}</td></tr></table>",  # a table for the layout
        f"<dialog open>{TEXT}</dialog>",
        f"<button type=submit>{TEXT}</button>",
        f"<object>{TEXT}</object>",
        f"<div class=cookie-notice>{TEXT}</div>",
        f"<?xml version='1'?><html><head><title/><script src='x'/></head><a name='t'/><div/>{TEXT}",  # jhy/jsoup#906
        f"<html xmlns='http://www.w3.org/1999/xhtml'><h1>Harbour fees</h1><p><![CDATA[{FEE}]]></p></html>",
        f"<!--[if IE]>old<![endif]--><!-- --!>{TEXT}<!-- no end",
    ],
)  # fmt: skip
def test_a_page_keeps_its_text_wherever_it_stands(page: str) -> None:
    parsed = read(page)
    assert [part for part in parsed.text.split("\n\n") if part in {"Harbour fees", FEE}] == ["Harbour fees", FEE]
    assert [heading.title for heading in parsed.headings] == ["Harbour fees"]


@pytest.mark.parametrize(
    ("page", "kept"),
    [
        (f"<main><div>Loading…</div></main><div>{LONG}</div>", "at the office"),
        (f"<article><p>Teaser</p></article><div>{LONG}</div>", "at the office"),
        (f"<article><p>One thing is here.</p></article><article>{LONG}</article>", "One thing"),
        (f"<header><h1>Fees</h1><p>What you pay, and when.</p></header><main><p>{FEE}</p></main>", "and when."),
        (f"<div id=app hidden>{TEXT}</div><p>Loading</p>", FEE),
        (f"<h1>Fees</h1><p>A short word on top of it all.</p><aside>{LONG}</aside>", "at the office"),
        (f"<p>A short word on top.</p><div hidden>{LONG}</div>", "at the office"),
        (f"<h1>Index</h1><nav><ul>{LINKS}</ul></nav>", "Chapter 19"),  # a table of contents is the page
        (f"<main><h1>Index</h1><nav>{LINKS}</nav></main>{FOOTER}", "Chapter 19"),
        (f"<noscript>{LONG}</noscript><div id=root></div><script>draw()</script>", "at the office"),
        (f"<div class=cookie-policy-box><article>{TEXT}</article></div><p>x</p>", FEE),
        (f"<div class=cookie-message>{FEE}</div>", FEE),
        # Closed, and there for the reader all the same.
        (f"{TEXT}<h3><button aria-expanded=false>A parrot?</button></h3><div>Yes.</div>", "A parrot?\n\nYes."),
        (f"{TEXT}<button>Parrots</button><div hidden>With a leash.</div>", "With a leash."),
        (f"{TEXT}<button aria-controls=p>Parrots</button><hr><div id=p hidden>With a leash.</div>", "With a leash."),
        (f"{TEXT}<a href=#p>Parrots</a><hr><div id=p hidden>With a leash.</div>", "With a leash."),
        (f"{TEXT}<div role=tabpanel hidden>With a leash.</div>", "With a leash."),
        (f"{TEXT}<div hidden=until-found>With a leash.</div>", "With a leash."),
        (f"{TEXT}<details><summary>Parrots</summary>With a leash.</details>", "Parrots\n\nWith a leash."),
        (f"{TEXT}<dialog id=terms>Terms of use</dialog>", "Terms of use"),
        # Notes, and what is said in the margin.
        (f"<article>{TEXT}<aside class=warning>Never at low tide.</aside></article>", "Never at low tide."),
        (f"{TEXT}<aside>Never at low tide.</aside>", "Never at low tide."),
        (f"<article>{TEXT}<footer>Valid from May on.</footer></article>", "Valid from May on."),
        (f"{TEXT}<blockquote>Pay early.<footer>The harbour master</footer></blockquote>", "The harbour master"),
        (f"<a name=top>{TEXT}<aside>Never at low tide.</aside>", "Never at low tide."),  # left open, and no link
        ("<p><span aria-hidden=true>Step 7</span> Open it.</p>", "Step 7 Open it."),
        # Fields, and what stands for pictures.
        (f"{TEXT}<label>Berth</label><input value=North readonly>", "Berth North"),
        (f"{TEXT}<textarea>\nSend it\n  by noon</textarea>", "Send it\n  by noon"),
        (f"{TEXT}<select><optgroup label=Quay><option>North<option selected>South</select>", "Quay North South"),
        (f"{TEXT}<fieldset><legend>Ships</legend><button>Ketch</button><button>Yawl</button></fieldset>", "Ketch Yawl"),
        (f"{TEXT}<figure><img alt='A red buoy'><figcaption>Buoys</figcaption></figure>", "A red buoy\n\nBuoys"),
        (f"{TEXT}<svg><title>icon</title><text>Pump</text><text>Valve</text></svg>", "Pump Valve"),
        (f"{TEXT}<svg role=img><title>How the pump works</title><path/></svg>", "How the pump works"),
        (f"{TEXT}<p>A <math><mi>v</mi><mo>=</mo><mn>3</mn><annotation>tex</annotation></math> is", "A v=3 is"),
        (f"{TEXT}<dl><dt>Ketch<dd>nine<dt>Yawl<dd>eight</dl>", "Ketch\n\nnine\n\nYawl\n\neight"),
        (f"{TEXT}<table><tr><th>Ship<th>Fee<tr><td>Ketch<td>nine</table>", "Ship Fee\n\nKetch nine"),
    ],
)  # fmt: skip
def test_what_a_reader_would_find_is_read(page: str, kept: str) -> None:
    assert kept in read(page).text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("one<br><br>two<br> <br/>\n<br>three", "one\n\ntwo\n\nthree"),
        ("an un<wbr>broken wo<b>rd</b>", "an unbroken word"),
        ("the valve<sup><a href=#n1>1</a></sup> and valves<sup>[12]</sup>", "the valve 1 and valves [12]"),
        ("5 m<sup>2</sup>, H<sub>2</sub>O, 10<sup>3</sup>", "5 m2, H2O, 103"),
        ("<a href=/a>One</a><a href=/b>Two</a>, <a href=/c>t</a>hree", "One Two, three"),
        ("The <x-term>moon</x-term> pulls", "The moon pulls"),
        # FooSoft/yomichan#50: a word is one word, whatever is written above it
        ("<ruby>漢<rt>かん</ruby>を<ruby>起<rp>(<rt>お<rp>)</ruby>きます", "漢を起きます (かん お)"),
        ("fish &amp chips &copy &nosuch; &#x26 &#38; &nbsp;x", "fish & chips © &nosuch; & & x"),
        ("<b>un<i>closed</b> text</i>", "unclosed text"),
        ("<q>Pay</q> <del>ten</del> <ins>nine</ins>", "Pay ten nine"),
    ],
)  # fmt: skip
def test_words_of_a_paragraph_are_what_they_look_like(html: str, text: str) -> None:
    assert read(f"<p>{html}</p>").text.strip() == text


def test_a_short_text_in_its_place_keeps_the_rest_out() -> None:
    assert paragraphs(f"<main><h1>灯台</h1><p>船が出る</p></main>{MENU}{FOOTER}") == ["灯台", "船が出る"]


@pytest.mark.parametrize(
    "code",
    [
        "<pre>def f():\n    pass</pre>",
        "<pre><code><span>def</span> f():\n    pass\n</code></pre>",
        "<pre><div>def f():</div><div>    pass</div></pre>",
        "<pre>def f():<br>    pass</pre>",
        "<pre><span class=linenos>1</span>def f():\n<span class=linenos>2</span>    pass</pre>",  # Pygments
        "<table class=highlight><tr><td class=gutter><pre>1\n2</pre><td><pre>def f():\n    pass</pre></table>",  # Rouge
        "<textarea>def f():\n    pass</textarea>",
        "<xmp>def f():\n    pass</xmp>",
    ],
)
def test_code_keeps_its_lines_and_no_numbers(code: str) -> None:
    assert paragraphs(f"<p>Before{code}<p>After") == ["Before", "def f():\n    pass", "After"]


def test_a_heading_is_one_however_it_is_wrapped() -> None:
    parsed = read("<h2><a href=#x><div>Harbour</div></a></h2><h3><button>Fees?</button></h3><p>x<h4></h4><h5>End")
    assert [(heading.level, heading.title) for heading in parsed.headings] == [(2, "Harbour"), (3, "Fees?"), (5, "End")]


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ("<title>Fees &amp;\n more</title>", "Fees & more"),
        ("<meta property=og:title content='Shared'>", "Shared"),
        ("<title> </title><meta property='og:title' content='Shared'>", "Shared"),
        ("", "page.html"),
    ],
)
def test_a_page_without_headings_is_called_as_it_says(head: str, title: str) -> None:
    upload = Upload(b"", source_uri="https://x.test/page.html")
    assert upload.title_for(read(f"{head}<p>{FEE}")) == title
    assert upload.title_for(read(f"{head}<h2>Heading</h2>")) == "Heading"


def test_a_page_made_by_its_scripts_is_refused_with_the_next_step() -> None:
    # Data inside of scripts (JSON-LD, __NEXT_DATA__) is no text of the page.
    page = '<div id=root></div><noscript>Enable JavaScript.</noscript><script id=__NEXT_DATA__>{"a": "b"}</script>'
    with pytest.raises(Invalid, match="save it from a browser, and send that"):
        read(page)


@pytest.mark.parametrize(
    "unit",
    [
        "<aside><div hidden>x", "<div aria-hidden=true>x</div>", "<a href=x>x", "<select><option>x</select>",
        "<iframe srcdoc='&lt;iframe srcdoc=x'></iframe>", "<ruby>x<rt>y", "<template shadowrootmode ", "<sup>x",
        "<![CDATA[", "<noscript>x", "x<br>", "<frameset ", "<pre><div>x", "<dt>x<div hidden>y", "<h1>x<section>",
        "<div class=cookie-banner>", "<x-y>z", "<article><main>x", "<p>x<!-- --><div hidden>",
    ],
)  # fmt: skip
def test_reading_a_page_is_linear(unit: str) -> None:
    def make(size: int) -> str:
        return f"<html xmlns=x><p>{FEE}</p>" + unit * (size // len(unit))

    assert_linear(read, make, 16_000)
