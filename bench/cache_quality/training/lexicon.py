"""Words that exclude each other, and words that may stand for each other, for edits of training texts."""

from collections.abc import Mapping
from typing import Final

_OPPOSITES: Final = """
increase decrease|open close|opening closing|buy sell|buying selling|start stop|begin end|first final|enable
disable|activate deactivate|add remove|add subtract|multiply divide|lock unlock|upload download|send receive|gain
lose|best worst|better worse|good bad|advantages disadvantages|advantage disadvantage|pros cons|most least|more
less|more fewer|many few|first last|before after|earlier later|with without|left right|hot cold|warm cool|high
low|higher lower|minimum maximum|min max|cheap expensive|cheapest priciest|easy hard|easier harder|simple
complex|fast slow|faster slower|love hate|like dislike|male female|men women|man woman|boys girls|boy girl|boyfriend
girlfriend|husband wife|internal external|import export|imports exports|legal illegal|possible impossible|old
new|older newer|early late|earliest latest|inside outside|indoor outdoor|above below|win lose|won lost|install
uninstall|follow unfollow|block unblock|connect disconnect|login logout|debit credit|deposit withdraw|lend
borrow|accept reject|approve decline|public private|benefits risks|causes effects|cause prevent|largest
smallest|biggest smallest|longest shortest|highest lowest|larger smaller|bigger smaller|longer shorter|long
short|older younger|oldest youngest|rich poor|happy sad|strong weak|stronger weaker|input output|inputs
outputs|forward backward|morning evening|day night|north south|east west|under over|on off|up down|always never|all
none|everyone nobody|everything nothing|freeze unfreeze|show hide|join leave|join split|pass fail|save delete|create
delete|raise reduce|raise lower|improve worsen|positive negative|true false|safe dangerous|healthy unhealthy|full
empty|learn teach|ask answer|arrive depart|arrival departure|near far|nearest farthest|nearest furthest|closest
farthest|include exclude|includes excludes|including excluding|edible inedible|weekday weekend|weekdays
weekends|visible invisible|dependent independent|direct indirect|formal informal|correct incorrect|accurate
inaccurate|active inactive|complete incomplete|secure insecure|finite infinite|sane insane|valid invalid|able
unable|common uncommon|known unknown|likely unlikely|paid unpaid|used unused|employed unemployed|married
unmarried|happy unhappy|fair unfair|certain uncertain|limited unlimited|read unread|load unload|pack unpack|fold
unfold|tie untie|wrap unwrap|zip unzip|subscribe unsubscribe|archive unarchive|mute unmute|pin unpin|dress
undress|agree disagree|appear disappear|approve disapprove|obey disobey|honest dishonest|connect disconnect|assemble
disassemble|encrypt decrypt|encode decode|compress decompress|inflate deflate|attach detach|ascending
descending|ascend descend|upstairs downstairs|uphill downhill|upgrade downgrade|inbound outbound|incoming
outgoing|income expense|profit loss|asset liability|assets liabilities|buyer seller|lender borrower|employer
employee|landlord tenant|teacher student|doctor patient|parent child|winner loser|winners losers|attack defend|push
pull|rise fall|rises falls|rose fell|rising falling|up down|gained lost|lend borrow|give take|gave took|lead
follow|live die|alive dead|wake sleep|remember forget|find lose|build destroy|allow forbid|allowed forbidden|permit
prohibit|require forbid|mandatory optional|required optional|sync async|synchronous asynchronous|mutable
immutable|static dynamic|online offline|wired wireless|manual automatic|careful careless|harmful harmless|useful
useless|hopeful hopeless|painful painless|sugary sugarless|smoking nonsmoking|fiction nonfiction|profit
nonprofit|toxic nontoxic|vegetarian nonvegetarian|domestic international|local remote|natural artificial|ancient
modern|temporary permanent|wholesale retail|gross net|majority minority|single married|clockwise
counterclockwise|horizontal vertical|odd even|plus minus|plural singular|noun verb|rural urban|wet dry|dark
light|heavy light|thick thin|deep shallow|wide narrow|tight loose|sweet sour|fresh stale|raw cooked|hard soft|rough
smooth|loud quiet|clean dirty|tall short|fat thin|young old|awake asleep|guilty innocent|absent present|accepted
rejected|defeated won|exit enter|entrance exit|within beyond|since until|despite because|import export|immigrate
emigrate|prefix suffix|ceiling floor|summer winter|sunrise sunset|dawn dusk|noon midnight|ally enemy|friend
enemy|victory defeat|success failure|succeed fail|cure cause|gain loss|supply demand|question answer|server
client|host guest
"""
_SIBLINGS: Final = """
monday tuesday wednesday thursday friday saturday sunday|january february march april may june july august september
october november december|today tomorrow yesterday|second minute hour day week month year|seconds minutes hours days
weeks months years|daily weekly monthly yearly|km miles meters feet inches cm|kg pounds grams ounces|kilometers
miles|dollars euros pounds rupees yen|celsius fahrenheit kelvin|gb mb tb kb|bits bytes|red blue green yellow black
white brown purple orange|mother father brother sister son daughter aunt uncle cousin grandmother|python java
javascript ruby php rust go c|list tuple dictionary set array string|integer float string boolean|int float
double|http https ftp ssh|csv json xml yaml pdf|android ios windows linux mac|english french german spanish hindi
chinese japanese russian italian|breakfast lunch dinner|zero one two three four five six seven eight nine ten eleven
twelve thirteen fourteen fifteen|twenty thirty forty fifty sixty seventy eighty ninety|hundred thousand million
billion|first second third fourth fifth sixth seventh eighth ninth tenth|1st 2nd 3rd 4th 5th 10th 21st|once twice
thrice|half quarter third|double triple|i ii iii iv v vi vii viii ix|who when where why|phone laptop tablet computer
camera|email password username address|visa mastercard paypal|card account transfer|cat dog horse bird fish cow
sheep|facebook twitter instagram whatsapp quora youtube linkedin|engineer doctor lawyer teacher nurse|physics
chemistry biology mathematics history|iron copper gold silver aluminium steel zinc|guitar piano violin drums
flute|car bus train plane bike boat|football cricket tennis basketball baseball|king queen prince princess|wrote
directed produced composed sang starred|write read edit print|invented discovered founded built|written directed
produced performed|born died married|walking running swimming sitting standing dancing|cooking eating cutting frying
peeling slicing|man woman boy girl baby|am pm|north south east west|novel movie play song poem painting|picture joke
story song poem recipe video|capital population area currency president language|height weight age width length
depth|price quality size color|meaning origin spelling pronunciation history|square circle triangle
rectangle|addition subtraction multiplication division|sum product difference quotient|mean median mode|rice wheat
corn bread pasta|milk water tea coffee juice beer wine|chicken beef pork fish lamb|apple banana orange mango
grape|usa india china japan germany france canada australia russia brazil|london paris rome berlin tokyo delhi
mumbai|mars venus jupiter saturn moon sun earth|heart liver kidney lung brain|knee elbow shoulder ankle wrist
"""
_SYNONYMS: Final = """
begin start|buy purchase|big large|biggest largest|small little|quick fast|quickly fast|quickest fastest|easy
simple|hard difficult|happy glad|smart intelligent|mobile cell|film movie|films movies|begin start|error
mistake|error bug|create make|correct right|correct fix|repair fix|repair mend|photo picture|photos pictures|phone
telephone|car automobile|kids children|kid child|mom mother|dad father|begin commence|choose pick|choose select|find
locate|get obtain|help assist|help aid|show display|answer reply|answer response|job career|error fault|method
way|methods ways|reason cause|ways methods|wealthy rich|ill sick|illness disease|remove delete|erase
delete|approx approximately|maybe perhaps|about regarding|whole entire|nearly almost|shut close|shop store|city
town|start launch|laptop notebook|cost price|cheap inexpensive|expensive costly|discover find|need require|speak
talk|learn study|use utilize|major main|important crucial|weird strange|unusual strange|begin start|email e-mail|tv
television|fridge refrigerator|usa america|uk britain|bike bicycle|plane airplane|exam test|infant baby|doctor
physician|lawyer attorney|attempt try|end finish|complete finish|reply respond|allow permit|allowed
permitted|forbidden prohibited|demand need|garbage trash|vacation holiday|stop quit|earn make|lose misplace|verify
confirm|verify check|remain stay|gift present|scared afraid|huge enormous|said stated|said told|told informed|killed
slain|announced declared|rose climbed|rose increased|fell dropped|fell declined|percent %|dollars $
"""


def _groups(lists: str) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for group in lists.split("|"):
        words = group.split()
        for word in words:
            found.setdefault(word, []).extend(other for other in words if other != word)
    return found


EXCLUSIVE: Final = _groups(_OPPOSITES + "|" + _SIBLINGS)
SYNONYMS: Final = _groups(_SYNONYMS)

_COMMON_WORDS: Final = """
    a an the of to in on at by for with from into about as and or but not no nor so if then than that this these those
    there here it its is are was were be been being am do does did doing done have has had having can could will would
    shall should may might must what when where which who whom whose why how i me my mine we us our you your he him his
    she her they them their some any every each all most many much more less few very just also only too ever get got
    please tell give let want need know like make made way ways good best thing things people someone something one
    im i'm whats what's dont don't can't cant does doesn't isn't using use used
"""
COMMON: Final = frozenset(_COMMON_WORDS.split())
