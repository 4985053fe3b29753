r"""The cues by which a reader knows an answer: one table for each language that models speak.

Every entry is a regular expression, in lower case, of what is read between two word boundaries
(Chinese, Japanese and Korean have none). Texts have been through `clean`: spaces, dashes and
punctuation have their ASCII forms. Any quantifier over free text is bounded, so that reading
stays linear.

An entry left empty means that the language has nothing of the kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

EMPTY = "(?!)"
"""A pattern that never matches."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cues:
    """The cues of one language.

    Attributes:
        answer: nouns for the answer, with the adjectives that make it the final one.
        about: what may stand between the noun and its verb ("to the problem").
        is_: verbs that join the noun to the answer; those of "not X but Y" end behind "but".
        is_the_answer: what stands behind an answer ("is the answer").
        therefore: openings of a conclusion.
        sought: what names the quantity that was asked for.
        verb: verbs between a quantity and its value.
        maybe: in the sentence before a cue, what makes it a guess or an alternative.
        if_: in the sentence before a cue, what makes it a condition, or a report of what was said.
        anothers: directly before a cue, what makes it another's answer, an earlier or a wrong one.
        not_: before a value or predicate, what denies it.
        not_after: behind a value or predicate, what denies it.
        doubted: behind a value, what leaves it open or tells a thought of earlier.
        contrast: what leads from a denied value to the right one ("but" in "not 72 but 73").
        or_: conjunctions between alternatives.
        and_: conjunctions between several.
        either: openings of a list of alternatives.
        refuted: behind a value, what takes it back ("which is wrong").
        retraction: what takes back all that was said before.
        restated: openings of a correction that only count when a value follows.
        refusal: what says that there is no answer to give.
        statement: nouns for the statement that is judged true or false.
        true, false, uncertain: words of the three labels, as predicates too.
        necessarily: between a denial and a label, what makes it uncertain.
        because: where reasons begin.
        option: nouns for a lettered option.
        chosen: verbs and adverbs of a conclusion in favour of an option.
        asks: a sentence's last words, when they make it a question.
        question: how a sentence goes on that asks whether ("is the answer").
    """

    language: str
    spaced: bool = True
    answer: str
    about: str = ""
    is_: str
    is_the_answer: str
    therefore: str
    sought: str
    verb: str
    maybe: str
    if_: str
    anothers: str
    not_: str
    not_after: str = ""
    doubted: str = ""
    contrast: str = ""
    or_: str
    and_: str
    either: str = ""
    refuted: str
    retraction: str
    restated: str
    refusal: str
    statement: str
    true: str
    false: str
    uncertain: str
    necessarily: str
    because: str
    option: str
    chosen: str
    asks: str = ""


_CLAUSE = r"[^\n.:?!]"

ENGLISH = Cues(
    language="en",
    answer=(
        r"(?:(?:the|my|our|final|correct|right|best|most\slikely)[\s_]){0,3}"
        r"answer(?!\s(?:choices|options)\b|\swith\b|\sthe\b)"
        r"|ans\.?(?=\s?:)|(?:the\s)?(?:final\s(?:result|value)|(?:correct|right|best)\s(?:option|choice))"
    ),
    about=(
        r"(?:to|for|of|in|here|must|should|would|will|then|therefore|thus|choice|option|we|I)"
        r"(?!\spart\b|\sthe\s(?:first|previous|intermediate)\b)"
        rf"\b{_CLAUSE}{{0,120}}?"
    ),
    is_=(
        r"(?:is\snot|isn't)\s[^\n.,:]{1,40},?\s(?:but|rather)(?:\srather|\sit\sis)?"
        r"|(?:is|are|equals|be|becomes|comes\sout\s(?:to\sbe|as|to)|turns\sout\sto\sbe)"
        r"(?:\s(?:therefore|thus|then|hence|simply|just|indeed|clearly|actually|now|equal\sto))?"
    ),
    is_the_answer=(
        r"(?:is|are|must\sbe|should\sbe)\s(?:thus\s|therefore\s|indeed\s)?(?:the|our|my)\s"
        r"(?:(?:final|correct|right)\s){0,2}answer"
    ),
    therefore=(
        r"therefore|thus|hence|so|consequently|accordingly|finally|in\s(?:total|all|conclusion"
        r"|summary)|altogether|as\sa\sresult|we\s(?:conclude|find)\sthat|it\sfollows\sthat"
    ),
    sought=(
        r"(?:requested|required|desired|sought|wanted)\s\w{1,20}|asked\sfor|we\s(?:want|need|seek)"
    ),
    verb=r"is|are|equals|be|gives|yields|becomes|comes\sto|totals",
    maybe=(
        r"may\s?be|perhaps|possibl[ey]|possibility|might|could|alternatively|otherwise|unsure"
        r"|not\s(?:sure|certain|confident)|guess\w*|tentative(?:ly)?"
    ),
    if_=(
        r"if|whether|suppose|supposing|assum\w+|imagine|unless|doubt\w*|impossible\sthat|were\sto"
        r"|initial(?:ly)?|previous(?:ly)?|originally|at\sfirst|user's|as\sif|format|such\sas"
        r"|according\sto\s(?:the\s|a\s)?(?:user|students?|teacher|text\s?book|book|hint|(?-i:[A-Z]\w+))"
        r"|(?:some|many|most|they|people|others|one|someone|somebody|he|she|you)\s(?:may|might|would"
        r"|could|will)?\s?(?:say|think|claim|argue|believe|guess)s?"
    ),
    anothers=(
        r"earlier|previous|first|original|wrong|incorrect|false|naive|tempting|intermediate|partial"
        r"|(?:earlier|previously|initially|originally|mistakenly|first)\s(?:i|we)\s(?:had\s)?\w{2,9}"
        r"|(?:i|we)\s(?:earlier|previously|initially|originally|mistakenly|first|had)\s\w{2,9}"
        r"(?:\searlier)?|trap|mistaken(?:ly)?|suggested|proposed|sample|example|not|n't|never|instead\sof"
        r"|rather\sthan|your|his|her|their|its|another|any|no|students?|user|\w{1,20}(?<!problem)"
        r"(?<!question)'s|\w{1,20}s'|says?|said|claims?|claimed|thinks|thought|believes|believed"
        r"|argues?|argued|told\s(?:me|us)|wrote|guessed|answered|idea|statement|assertion|notion"
    ),
    not_=r"not|never|no\slonger|isn't|aren't|wasn't|cannot(?:\sbe)?|can't(?:\sbe)?|neither",
    contrast=r"but(?:\srather)?|rather",
    or_=r"or|and/or",
    and_=r"and",
    either=r"either|one\sof|any\sof|both",
    refuted=(
        r"(?:,\s)?(?:(?:but|however|and|yet)\s,?)?(?:(?:that|this|it|which)(?:\sanswer|\svalue)?\s?)?"
        r"(?:'s|is|was|would\sbe|were|seems|must\sbe|cannot\sbe|can't\sbe)\s"
        r"(?:\w{1,12}ly\s|also\s|of\scourse\s|surely\s)?"
        r"(?:wrong|incorrect|false|mistaken|impossible|right\?|not\s(?:right|correct|true|possible"
        r"|valid|the\s(?:final\s|correct\s)?answer)|a\s(?:mistake|typo|trap)|too\s(?:big|small|high|low))"
    ),
    retraction=(
        r"scratch\sthat|correction:?|my\smistake|on\ssecond\sthought|let\sme\s(?:correct|fix)"
        r"|i\s(?:must|have\sto|should|need\sto)\scorrect|i\s(?:made|was\smaking)\s(?:a|an)\s"
        r"(?:\w{1,15}\s)?(?:mistake|error)|i\s(?:misread|miscounted|miscalculated|misspoke)"
        r"|(?:wait|actually|hold\son|hmm|oh|sorry|oops)(?:,|\.{1,3}|\s-|!)?\s"
        r"(?:no|(?:that|this|it)(?:'s|\sis|\swas)\s(?:wrong|incorrect|not\s(?:right|correct)))"
        r"|no,\swait|(?:that|this)\s(?:previous\s|earlier\s)?answer\s(?:is|was)\s"
        r"(?:wrong|incorrect|not\s(?:right|correct))|(?:i|we)\swas\swrong|that\swas\sa\smistake"
        r"|there\s(?:is|was)\s(?:a|an)\s(?:mistake|error)\sin\s(?:my|the|that|this)\s\w{1,20}"
    ),
    restated=(
        r"(?:wait|actually|no|sorry|oops|rather|hmm|correction|or\srather|hold\son|oh)[,.:!]?\s"
        r"(?:\w{1,12},?\s)?(?:it|that|this|the\s(?:correct|right|real|true)\s"
        r"(?:answer|value|number|result|total|option|choice|conclusion))"
        r"(?:'s|\sis|\sshould(?:\sinstead)?\sbe|\sequals|\smust\sbe)(?:\sactually)?"
        r"|it\sshould\s(?:actually\s|instead\s)?be|(?:i|let\sme)\schange\s(?:my|the)\sanswer\sto"
    ),
    refusal=(
        r"(?:cannot|can't|unable\sto|could\snot|couldn't|impossible\sto|not\spossible\sto"
        r"|(?:difficult|hard)\sto)\s(?:be\s)?(?:\w{1,20}ly\s)?"
        r"(?:answer|determin|identif|establish|confirm|provide|find|know|give|pinpoint|say|"
        r"specif|ascertain|infer|deduc|solve|comput|calculat)\w*"
        r"|(?:do\snot|don't|does\snot|doesn't)\s(?:know|exist)|i\sam\ssorry|i'm\ssorry"
        r"|(?:not|isn't|n't)\s(?:\w{1,20}ly\s)?(?:specified|disclosed|known|provided|available"
        r"|clear|mentioned|stated|certain|sure|determined|recorded|documented|given)"
        r"|no\s(?:\w{1,20}\s){0,2}(?:information|record|data|answer)|unknown|undetermined"
        r"|indeterminate|unclear|uncertain|unanswerable|insufficient|not\senough\sinformation"
        r"|n/a|no\sidea|undefined"
    ),
    statement=(
        r"(?:answer|conclusion|statement|claim|hypothesis|assertion|proposition"
        r"|conjecture|deduction|evaluation|assessment|verdict|determination|judge?ment"
        r"|truth\svalue|label|classification)"
    ),
    true=r"true|correct|valid|supported|implied|entailed|proven|confirmed|holds|follows",
    false=(
        r"false|untrue|incorrect|wrong|refuted|disproved|disproven|contradicted|invalid"
        r"|(?:contradicts|inconsistent\swith)\s(?:the\s)?(?:given\s)?premises?"
        r"|(?:not|cannot(?:\spossibly)?)\s(?:be\s)?"
        r"(?:(?:actually|logically|in\sfact|really)\s)?(?:true|correct|hold)"
        r"|n't\s(?:(?:actually|logically|in\sfact|really)\s)?(?:true|correct|hold)"
    ),
    uncertain=(
        r"uncertain(?:ty)?|unknown|undetermined|indeterminate|inconclusive|undecid(?:ed|able)"
        r"|unclear|unsupported|unprovable|unverifiable"
        r"|neither\s(?:be\s)?(?:\w{1,20}ly\s)?"
        r"(?:true|false|proven?|proved|confirmed|supported|implied|entailed|established|affirmed)"
        r"\sn?or\s(?:\w{1,20}ly\s)?"
        r"(?:true|false|disproven?|disproved|denied|contradicted|refuted|opposed)"
        r"|(?:not|n't)\s(?:be\s)?"
        r"(?:necessarily|definitively|conclusively|certainly|definitely|strictly|logically"
        r"|directly|explicitly|fully|sufficiently)\s"
        r"(?:be\s)?(?:true|false|correct|follow\w*|implied|entailed|supported|established|proven?"
        r"|confirmed|determined|known|stated|given)\b(?:\sor\s(?:true|false|not))?"
        r"|(?:not|n't)\s(?:be\s)?"
        r"(?:follow|supported|implied|entailed|guaranteed|determined|determinable|established"
        r"|provable|proven|confirmed|certain|sure|deducible|derivable|known)"
        r"|(?:cannot|can\snot|can't|could\snot|couldn't|unable\sto|no\sway\sto"
        r"|(?:im|not\s)possible\sto)\s"
        r"(?:\w{1,20}ly\s){0,2}(?:be\s)?(?:\w{1,20}ly\s){0,2}"
        r"(?:determin|conclud|confirm|infer|establish|deduc|deriv|verif|prove|ascertain|decid|know"
        r"|said|say|tell|assert|guarantee|assess|evaluat|answer)\w{0,8}\b[^.;]{0,400}"
        r"|(?:insufficient|not\s(?:enough|sufficient)|lacks?\s(?:enough|sufficient)"
        r"|no(?:t\s\w{1,12})?\s(?:direct\s|specific\s|explicit\s|enough\s|sufficient\s|any\s){1,2}"
        r"(?:information|evidence|detail|data|link))\w{0,6}\b[^.;]{0,400}"
        r"|n't\s(?:enough|sufficient)\w{0,6}\b[^.;]{0,400}"
    ),
    necessarily="",
    because=(
        r"because|since|due\sto|given\sthat|while|although|though|despite|whereas|but|which"
        r"|as\s(?:the|it|there|we|no|they|he|she|this|per|both|all)|rather\sthan|instead\sof"
    ),
    option=r"option|choice|letter|index|answer",
    chosen=(
        r"could|must|therefore|thus|hence|so|only|correct|conclusion|available|possible|free"
        r"|option|choice|answer|choose|select|pick|go\swith"
    ),
)

GERMAN = Cues(
    language="de",
    answer=(
        r"(?:(?:die|meine|unsere|das|end(?:gültige|ültige)|finale|richtige|korrekte|abschließende"
        r"|letzte)\s){0,3}(?:antwort|endantwort|lösung|endergebnis|(?:richtige|korrekte)\s"
        r"(?:option|auswahl))"
    ),
    about=rf"(?:auf|zu|zur|zum|der|des|dieser|für|muss|sollte|wäre|also|hier)\b{_CLAUSE}{{0,80}}?",
    is_=(
        r"ist\snicht\s[^\n.:]{1,40}?,?\ssondern|(?:ist|lautet|beträgt|sind|ergibt|sein)"
        r"(?:\s(?:also|daher|somit|demnach|damit|folglich))?"
    ),
    is_the_answer=(
        r"(?:ist|lautet)\s(?:also\s|somit\s|damit\s)?(?:die|unsere|meine)\s"
        r"(?:(?:endgültige|richtige|korrekte|gesuchte)\s){0,2}(?:antwort|lösung)"
    ),
    therefore=(
        r"daher|also|somit|folglich|demnach|deshalb|damit|insgesamt|schließlich|deswegen|mithin"
    ),
    sought=r"gesuchte[nrs]?\s\w{1,20}|gesucht",
    verb=r"ist|sind|beträgt|ergibt|lautet|gleich",
    maybe=(
        r"vielleicht|möglicherweise|eventuell|könnte|vermutlich|unsicher|nicht\ssicher|alternativ"
        r"|andernfalls|sonst|vermute"
    ),
    if_=(r"wenn|falls|ob|angenommen|sofern|laut|ursprünglich\w{0,2}|anfangs|manche|jemand"),
    anothers=(
        r"frühere[nr]?|vorherige[nr]?|vorige[nr]?|erste[nr]?|falsche[nr]?|sagt|sagte|behauptet"
        r"|behauptete|meint|meinte|glaubt|glaubte|dachte|deine|ihre|seine|eure|nicht|keine|statt"
        r"|anstatt|(?:zuvor|vorhin|anfangs|früher)\s\w{2,12}\sich|(?-i:[A-ZÄÖÜ][a-zäöü]{2,15}s)|schülers|studenten"
    ),
    not_=r"nicht|kein\w{0,2}|niemals",
    contrast=r"sondern",
    or_=r"oder|und/oder|bzw\.?|beziehungsweise",
    and_=r"und",
    either=r"entweder|eine[rs]?\svon|sowohl",
    refuted=(
        r"(?:,\s)?(?:(?:aber|doch|jedoch|und|was)\s)?(?:(?:das|dies|diese\santwort|sie|es)\s)?"
        r"(?:ist|war|wäre)\s(?:aber\s|jedoch\s|leider\s|natürlich\s)?"
        r"(?:falsch|nicht\s(?:richtig|korrekt|möglich)|inkorrekt|ein\s(?:fehler|irrtum)|unmöglich)"
        r"|was\s(?:aber\s|jedoch\s)?(?:falsch|nicht\s(?:richtig|korrekt)|inkorrekt)\s(?:ist|war|wäre)"
    ),
    retraction=(
        r"korrektur:?|halt,\snein|nein,\s(?:warte|moment|halt)|(?:moment|warte|stopp|halt)[,.!]\s"
        r"(?:nein|das\s(?:ist|war)\s(?:falsch|nicht\s(?:richtig|korrekt)))"
        r"|ich\shabe\smich\s(?:geirrt|verrechnet|vertan)|(?:das|dies)\swar\s(?:ein\sfehler|falsch)"
        r"|ich\s(?:korrigiere|muss\s(?:mich\s)?korrigieren)|ich\shabe\seinen\s(?:\w{1,15}\s)?fehler"
    ),
    restated=(
        r"(?:moment|warte|nein|doch|eigentlich|genauer)[,.:!]?\s(?:(?:es|das|richtig)\s)?"
        r"(?:ist|sind|lautet|wäre|muss)(?:\ses|\seigentlich)?"
        r"|(?:richtig|korrekt)\s(?:ist|wäre|lautet)|(?:es|das)\smüsste"
    ),
    refusal=(
        r"(?:kann|können|lässt|konnte|könnte)\s(?:ich\s|man\s|wir\s|sich\s|die\s\w{1,20}\s|es\s){0,2}"
        r"(?:leider\s)?nicht\s(?:\w{1,20}\s){0,3}(?:bestimm\w*|beantwort\w*|ermittel\w*|sagen|"
        r"angeben|angegeben|feststell\w*|festgestellt)"
        r"|(?:weiß|kenne)\s(?:ich\s|es\s|die\s\w{1,20}\s){0,2}nicht|nicht\s(?:bekannt|bestimmbar|ermittelbar"
        r"|eindeutig|bestimmt|angegeben|verfügbar)|unbekannt|unklar|unbestimmt|ungewiss"
        r"|keine\s(?:\w{1,20}\s)?(?:angaben|informationen|antwort)|schwierig|schwer\szu"
    ),
    statement=(
        r"(?:schlussfolgerung|aussage|behauptung|konklusion|hypothese|antwort|these|wahrheitswert"
        r"|folgerung)"
    ),
    true=r"wahr|richtig|korrekt|true|zutreffend|bewiesen|gültig|folgt|trifft\szu",
    false=r"falsch|unwahr|inkorrekt|false|widerlegt|unzutreffend|unrichtig|widerspricht",
    uncertain=(
        r"ungewiss|unsicher|unbestimmt|unbekannt|unklar|unentscheidbar|uncertain|unknown"
        r"|nicht\s(?:bestimmbar|entscheidbar|beweisbar|bestimmt|sicher|eindeutig|bekannt|belegt)"
        r"|(?:kann|können|lässt|konnte)\s[^.;,]{0,40}?(?:nicht|weder)\b"
        r"(?!\s(?:wahr|richtig|korrekt|stimmen|zutreffen))[^.;]{0,100}"
        r"|folgt\snicht[^.;]{0,100}|nicht\s(?:genug|genügend|ausreichend)[^.;]{0,100}"
        r"|weder\s(?:wahr|richtig|bewiesen|bestätigt)\snoch\s\w{1,20}"
        r"|(?:keine|unzureichende)\s(?:ausreichenden\s|genauen\s)?informationen[^.;]{0,100}"
    ),
    necessarily=r"unbedingt|notwendigerweise|zwingend|zwangsläufig|sicher",
    because=r"weil|da|denn|obwohl|während|aber|sondern|aufgrund|wegen",
    option=r"option|antwort|auswahl|buchstabe|möglichkeit|variante",
    chosen=r"daher|also|somit|folglich|nur|richtig\w{0,2}|korrekt\w{0,2}|wähle|konnte|könnte|kann",
)

FRENCH = Cues(
    language="fr",
    answer=(
        r"(?:(?:la|ma|notre|bonne)\s){0,2}réponse(?:\s(?:finale|correcte|exacte|définitive))?"
        r"|(?:le\s)?résultat\sfinal|(?:la\sbonne\soption|l'option\scorrecte|le\sbon\schoix)"
    ),
    about=(
        r"(?:à|au|de\s(?:la|cette|ce)|du|pour|à\sce|doit|devrait|serait|donc|ici)"
        r"(?!\s(?:l')?(?:élève|étudiant))"
        rf"\b{_CLAUSE}{{0,80}}?"
    ),
    is_=(
        r"n'est\spas\s[^\n.:]{1,40}?,?\smais|(?:est|vaut|sont|être)"
        r"(?:\s(?:donc|ainsi|alors|égale\sà|bien|que))?"
    ),
    is_the_answer=(
        r"est\s(?:donc\s|bien\s)?(?:la|notre|ma)\s(?:bonne\s)?réponse(?:\s(?:finale|correcte))?"
    ),
    therefore=(
        r"donc|ainsi|par\sconséquent|finalement|en\sconclusion|d'où|on\sen\sdéduit\sque|au\stotal"
        r"|c'est\spourquoi|en\sdéfinitive|alors"
    ),
    sought=r"\w{1,20}\s(?:cherchée?|demandée?|recherchée?|requise?)",
    verb=r"est|sont|vaut|valent|égale|donne",
    maybe=(r"peut-être|pourrait|possible|éventuellement|sinon|alternativement|pas\ssûre?"),
    if_=r"si|s'il|supposons|imaginons|selon|d'après|certains|d'autres|quelqu'un|initialement|auparavant",
    anothers=(
        r"première|ancienne|mauvaise|fausse|dit|disait|prétend|pensait|pensais|croit|croyait|affirme"
        r"|votre|ta|leur|sa|aucune|pas|au\slieu\sde|plutôt\sque|cru|exemple\sde"
    ),
    not_=r"pas|n'est\spas|jamais|ne\s\w{1,12}\spas|non",
    contrast=r"mais",
    or_=r"ou|et/ou|ou\sbien",
    and_=r"et",
    either=r"soit|ou\sbien|l'une?\sdes?",
    refuted=(
        r"(?:,\s)?(?:(?:mais|cependant|et|or|ce\squi)\s)?(?:(?:cela|ceci|elle|ça|cette\sréponse)\s)?"
        r"(?:(?:est|était|serait)\s(?:\w{1,15}ment\s)?(?:faux|fausse|incorrecte?|erronée?|une\serreur"
        r"|impossible)|(?:n'est|n'était)\spas\s(?:correcte?|juste|exacte?|possible|bon|bonne|vrai))"
        r"|mais\sc'(?:est|était)\s(?:faux|incorrect|une\serreur)"
    ),
    retraction=(
        r"correction:?|rectification:?|attendez?,\snon|non,\sattend\w{1,3}|erratum"
        r"|(?:attendez?|en\sfait|pardon|désolée?)[,.!]\s(?:non|c'(?:est|était)\sfaux)"
        r"|je\sme\ssuis\strompée?|j'ai\s(?:fait|commis)\sune\serreur|c'était\sune\serreur"
        r"|je\s(?:corrige|dois\scorriger|rectifie)"
    ),
    restated=(
        r"(?:attendez?|en\sfait|non|plutôt|pardon)[,.:!]?\s(?:c'est|il\ss'agit\sde|cela\sfait"
        r"|ce\sdevrait\sêtre)(?:\splutôt|\sen\sfait)?"
    ),
    refusal=(
        r"(?:ne\s(?:peut|peux|pouvons|sais|connais|permet)|n'(?:est|a))\s(?:\w{1,12}\s)?pas\b"
        r"(?:\s\w{1,20}){0,3}\s?(?:détermin\w*|connue?|répond\w*|précisée?|possible|disponible|établ\w*"
        r"|donner|savoir|indiquée?)"
        r"|(?:on\s)?(?:ne\s)?(?:peut|peux|sais)\spas|(?:je\s)?ne\ssais\spas|inconnue?|indéterminée?"
        r"|impossible\s(?:de|à)|difficile\sde|(?:aucune|pas\sd')\s?(?:information|donnée)|incertaine?"
    ),
    statement=(
        r"(?:conclusion|affirmation|proposition|énoncé|assertion|hypothèse|réponse|déclaration)"
    ),
    true=r"vraie?|correcte?|exacte?|juste|vérifiée?|true|valide",
    false=r"faux|fausse|incorrecte?|inexacte?|erronée?|false|réfutée?|contredite?|invalide",
    uncertain=(
        r"incertaine?|indéterminée?|inconnue?|indécidable|uncertain|unknown|pas\scertaine?"
        r"|(?:on\s)?ne\s(?:peut|peux|peuvent|pouvons|permet\w*)\s(?:\w{1,12}\s)?pas\b"
        r"(?!\sêtre\s(?:vrai|correct|exact))[^.;]{0,100}"
        r"|impossible\s(?:de|à)\s[^.;]{0,100}|ni\svraie?\sni\sfau(?:x|sse)"
        r"|pas\s(?:assez|suffisamment)\s[^.;]{0,100}|insuffisant\w*[^.;]{0,100}"
    ),
    necessarily=r"nécessairement|forcément|certainement|toujours",
    because=r"car|parce\sque|puisque|bien\sque|tandis\sque|mais|alors\sque|étant\sdonné|en\sraison",
    option=r"option|réponse|choix|lettre|proposition",
    chosen=r"donc|ainsi|seule?|seulement|correcte?|bonne?|choisis|aurait|a\spu|possible",
)

SPANISH = Cues(
    language="es",
    answer=(
        r"(?:(?:la|mi|nuestra)\s){0,2}respuesta(?:\s(?:final|correcta|definitiva|es\sla\sopción))?"
        r"|(?:el\s)?resultado\sfinal|la\sopción\scorrecta|solución(?:\sfinal)?"
    ),
    about=rf"(?:a|al|de\s(?:la|esta|este)|del|para|debe|debería|sería|aquí)\b{_CLAUSE}{{0,80}}?",
    is_=(
        r"no\ses\s[^\n.:]{1,40}?,?\ssino|(?:es|son|sería|ser|vale)"
        r"(?:\s(?:entonces|por\s(?:lo\s)?tanto|igual\sa|que))?"
    ),
    is_the_answer=r"es\s(?:por\stanto\s)?(?:la|nuestra|mi)\srespuesta(?:\s(?:final|correcta))?",
    therefore=(
        r"por\s(?:lo\s)?tanto|así(?:\sque|\spues)?|entonces|en\sconclusión|finalmente|luego"
        r"|por\sconsiguiente|en\stotal|de\smodo\sque|concluimos\sque"
    ),
    sought=r"\w{1,20}\s(?:buscad[oa]|pedid[oa]|solicitad[oa]|requerid[oa])",
    verb=r"es|son|vale|da|resulta|igual\sa",
    maybe=(
        r"quizás?|tal\svez|posible(?:mente)?|podría|puede\sser|alternativamente|si\sno"
        r"|no\sestoy\ssegur[oa]|supongo|acaso"
    ),
    if_=r"si|suponiendo|supongamos|según|algunos|otros|alguien|inicialmente|anteriormente|al\sprincipio",
    anothers=(
        r"primera|anterior|antigua|dice|dijo|afirma|afirmó|cree|creía|piensa|pensaba|pensé|tu|su|no"
        r"|ninguna|en\s(?:vez|lugar)\sde|falsa|mala"
    ),
    not_=r"no|nunca|tampoco",
    contrast=r"sino",
    or_=r"o|y/o|u|o\sbien",
    and_=r"y|e",
    either=r"o\sbien|una\sde|ya\ssea",
    refuted=(
        r"(?:,\s)?(?:(?:pero|sin\sembargo|y|lo\scual|lo\sque)\s)?(?:(?:eso|esto|ella|esa\srespuesta)\s)?"
        r"(?:no\s(?:es|era|sería)\s(?:correct[oa]|ciert[oa]|posible|válid[oa])"
        r"|(?:es|era|sería)\s(?:\w{1,15}mente\s)?(?:incorrect[oa]|fals[oa]|erróne[oa]|un\serror|imposible))"
    ),
    retraction=(
        r"corrección:?|rectifico:?|(?:espera|perdón|en\srealidad|un\smomento)[,.!]\s"
        r"(?:no|eso\s(?:está\smal|es\sincorrecto|no\ses\scorrecto))|no,\sespera"
        r"|me\s(?:equivoqué|he\sequivocado)|cometí\sun\serror|he\scometido\sun\serror"
        r"|(?:debo|tengo\sque)\scorregir|fue\sun\serror"
    ),
    restated=(
        r"(?:espera|en\srealidad|no|perdón|más\sbien)[,.:!]?\s(?:es|son|debería\sser|debe\sser"
        r"|sería|lo\scorrecto\ses)(?:\sen\srealidad)?"
    ),
    refusal=(
        r"no\s(?:se\s)?(?:puede|puedo|podemos|sé|sabe|conoce|conozco|hay)\b(?:\s\w{1,20}){0,3}"
        r"|desconocid[oa]|indeterminad[oa]|inciert[oa]|imposible\s(?:de\s)?\w{1,20}|difícil\s\w{1,20}"
        r"|no\s(?:está|es)\s(?:\w{1,20}\s)?(?:especificad|disponible|clar|conocid|posible)\w*"
        r"|información\sinsuficiente|insuficiente"
    ),
    statement=(
        r"(?:conclusión|afirmación|proposición|enunciado|aserción|hipótesis|respuesta|declaración)"
    ),
    true=r"verdader[oa]|ciert[oa]|correct[oa]|true|válid[oa]|verdad",
    false=r"fals[oa]|incorrect[oa]|erróne[oa]|false|inválid[oa]|mentira|contradicha?",
    uncertain=(
        r"inciert[oa]|indeterminad[oa]|desconocid[oa]|incert\w*|uncertain|unknown|indecidible"
        r"|no\s(?:se\s)?(?:puede|puedo|podemos|pueden)\b(?!\sser\s(?:verdad|ciert|correct))[^.;]{0,100}"
        r"|no\shay\s(?:suficiente|información|evidencia)[^.;]{0,100}|insuficiente[^.;]{0,100}"
        r"|ni\sverdader[oa]\sni\sfals[oa]|imposible\s[^.;]{0,100}"
    ),
    necessarily=r"necesariamente|seguramente|siempre",
    because=r"porque|ya\sque|puesto\sque|dado\sque|aunque|mientras|pero|debido",
    option=r"opción|respuesta|letra|alternativa|inciso",
    chosen=r"por\s(?:lo\s)?tanto|así|sol[oa]|únic[oa]|correct[oa]|elijo|pudo|podría|entonces",
)

PORTUGUESE = Cues(
    language="pt",
    answer=(
        r"(?:(?:a|minha|nossa)\s){0,2}resposta(?:\s(?:final|correta|certa))?|(?:o\s)?resultado\sfinal"
        r"|a\s(?:opção|alternativa)\scorreta"
    ),
    about=rf"(?:à|ao|da|do|desta|deste|para|deve|deveria|seria|aqui)\b{_CLAUSE}{{0,80}}?",
    is_=(
        r"não\sé\s[^\n.:]{1,40}?,?\smas(?:\ssim)?|(?:é|são|seria|ser|vale)"
        r"(?:\s(?:então|portanto|igual\sa))?"
    ),
    is_the_answer=r"é\s(?:portanto\s)?a\s(?:nossa\s)?resposta(?:\s(?:final|correta))?",
    therefore=r"portanto|logo|assim|então|em\sconclusão|finalmente|por\sisso|no\stotal|concluímos\sque",
    sought=r"\w{1,20}\s(?:procurad[oa]|pedid[oa]|solicitad[oa])",
    verb=r"é|são|vale|dá|resulta|igual\sa",
    maybe=r"talvez|possivelmente|possível|poderia|pode\sser|caso\scontrário|não\stenho\scerteza",
    if_=r"se|supondo|suponha|segundo|alguns|outros|alguém|inicialmente|anteriormente",
    anothers=(
        r"primeira|anterior|antiga|diz|disse|afirma|afirmou|acredita|acha|pensa|pensava|pensei|sua"
        r"|tua|não|nenhuma|em\svez\sde|falsa"
    ),
    not_=r"não|nunca",
    contrast=r"mas\ssim|mas",
    or_=r"ou|e/ou",
    and_=r"e",
    either=r"ou|uma\sdas",
    refuted=(
        r"(?:,\s)?(?:(?:mas|porém|e|o\sque)\s)?(?:(?:isso|isto|ela|essa\sresposta)\s)?"
        r"(?:não\s(?:é|era|está)\s(?:corret[oa]|cert[oa]|possível)"
        r"|(?:é|era|está|seria)\s(?:incorret[oa]|fals[oa]|errad[oa]|um\serro|impossível))"
    ),
    retraction=(
        r"correção:?|(?:espere|espera|desculpe|na\sverdade)[,.!]\s(?:não|isso\sestá\serrado)"
        r"|não,\sesper[ae]|eu\sme\senganei|me\senganei|cometi\sum\serro|foi\sum\serro|preciso\scorrigir"
    ),
    restated=(
        r"(?:espere|espera|na\sverdade|não|desculpe)[,.:!]?\s(?:é|são|deveria\sser|deve\sser)"
    ),
    refusal=(
        r"não\s(?:se\s)?(?:pode|posso|podemos|sei|sabe|há|é\spossível)\b(?:\s\w{1,20}){0,3}"
        r"|desconhecid[oa]|indeterminad[oa]|incert[oa]|impossível\s\w{1,20}|difícil\s\w{1,20}"
        r"|informação\sinsuficiente|insuficiente"
    ),
    statement=r"(?:conclusão|afirmação|proposição|enunciado|hipótese|resposta|declaração)",
    true=r"verdadeir[oa]|corret[oa]|true|válid[oa]|verdade",
    false=r"fals[oa]|incorret[oa]|errad[oa]|false|inválid[oa]",
    uncertain=(
        r"incert[oa]|indeterminad[oa]|desconhecid[oa]|uncertain|unknown"
        r"|não\s(?:se\s)?(?:pode|posso|podemos|é\spossível)\b(?!\sser\s(?:verdad|corret))[^.;]{0,100}"
        r"|não\shá\s(?:informaç|evidênc)[^.;]{0,100}|insuficiente[^.;]{0,100}"
    ),
    necessarily=r"necessariamente|sempre",
    because=r"porque|pois|já\sque|uma\svez\sque|embora|enquanto|mas|devido",
    option=r"opção|alternativa|resposta|letra",
    chosen=r"portanto|logo|só|somente|apenas|corret[oa]|escolho|poderia|então",
)

ITALIAN = Cues(
    language="it",
    answer=(
        r"(?:(?:la|mia|nostra)\s){0,2}risposta(?:\s(?:finale|corretta|esatta|giusta))?"
        r"|(?:il\s)?risultato\sfinale|l'opzione\scorretta"
    ),
    about=rf"(?:a|al|alla|del|della|di\squesto|per|deve|dovrebbe|sarebbe|qui)\b{_CLAUSE}{{0,80}}?",
    is_=(
        r"non\sè\s[^\n.:]{1,40}?,?\s(?:ma|bensì)|(?:è|sono|sarebbe|essere|vale)"
        r"(?:\s(?:quindi|dunque|allora|pari\sa))?"
    ),
    is_the_answer=r"è\s(?:quindi\s)?la\s(?:nostra\s)?risposta(?:\s(?:finale|corretta))?",
    therefore=r"quindi|dunque|perciò|pertanto|così|infine|in\sconclusione|in\stotale|allora",
    sought=r"\w{1,20}\s(?:cercat[oa]|richiest[oa])",
    verb=r"è|sono|vale|dà|risulta|pari\sa|uguale\sa",
    maybe=r"forse|probabilmente\snon|possibile|possibilmente|potrebbe|altrimenti|non\ssono\ssicuro",
    if_=r"se|supponiamo|supponendo|secondo|alcuni|altri|qualcuno|inizialmente|precedentemente",
    anothers=(
        r"prima|precedente|dice|disse|afferma|sostiene|crede|credeva|pensa|pensava|pensavo|tua|sua"
        r"|non|nessuna|invece\sdi|anziché|falsa"
    ),
    not_=r"non|mai",
    contrast=r"ma|bensì",
    or_=r"o|oppure|e/o|ovvero",
    and_=r"e|ed",
    either=r"o|una\sdi|sia",
    refuted=(
        r"(?:,\s)?(?:(?:ma|però|e|il\sche)\s)?(?:(?:questo|ciò|questa\srisposta|essa)\s)?"
        r"(?:non\s(?:è|era)\s(?:corrett[oa]|giust[oa]|possibile)"
        r"|(?:è|era|sarebbe)\s(?:errat[oa]|sbagliat[oa]|fals[oa]|un\serrore|impossibile))"
    ),
    retraction=(
        r"correzione:?|(?:aspetta|scusa|in\srealtà)[,.!]\s(?:no|è\ssbagliato)|no,\saspetta"
        r"|mi\ssono\ssbagliat[oa]|ho\s(?:fatto|commesso)\sun\serrore|era\sun\serrore|devo\scorreggere"
    ),
    restated=r"(?:aspetta|in\srealtà|no|scusa)[,.:!]?\s(?:è|sono|dovrebbe\sessere|deve\sessere)",
    refusal=(
        r"non\s(?:si\s)?(?:può|posso|possiamo|so|sa|è\spossibile)\b(?:\s\w{1,20}){0,3}"
        r"|sconosciut[oa]|indeterminat[oa]|incert[oa]|ignot[oa]|impossibile\s\w{1,20}|difficile\s\w{1,20}"
        r"|insufficient[ei]"
    ),
    statement=r"(?:conclusione|affermazione|proposizione|enunciato|ipotesi|risposta|dichiarazione)",
    true=r"ver[oa]|corrett[oa]|true|valid[oa]|esatt[oa]",
    false=r"fals[oa]|errat[oa]|sbagliat[oa]|scorrett[oa]|false",
    uncertain=(
        r"incert[oa]|indeterminat[oa]|sconosciut[oa]|ignot[oa]|uncertain|unknown"
        r"|non\s(?:si\s)?(?:può|posso|possiamo|è\spossibile)\b(?!\sessere\s(?:ver[oa]|corrett))[^.;]{0,100}"
        r"|insufficient[ei][^.;]{0,100}|non\sci\ssono\s(?:abbastanza|informazioni)[^.;]{0,100}"
    ),
    necessarily=r"necessariamente|sempre|per\sforza",
    because=r"perché|poiché|dato\sche|siccome|sebbene|mentre|ma|in\squanto",
    option=r"opzione|risposta|lettera|alternativa",
    chosen=r"quindi|dunque|solo|soltanto|corrett[oa]|scelgo|potrebbe|avrebbe",
)

RUSSIAN = Cues(
    language="ru",
    answer=(
        r"(?:(?:мой|наш|окончательный|итоговый|правильный|верный|конечный)\s){0,2}ответ(?:ом)?"
        r"|правильный\s(?:вариант|выбор)|верный\sвариант|итоговый\sрезультат"
    ),
    about=rf"(?:на|к|в|этой|этого|задачи|должен|будет|таким|следовательно)\b{_CLAUSE}{{0,80}}?",
    is_=(
        r"(?:-\s)?(?:это\s)?не\s[^\n.:]{1,40}?,?\s(?:а|но)"
        r"|(?:-\s?)?(?:это|равен|равно|равна|составляет|является|будет|есть|быть)|-"
    ),
    is_the_answer=(
        r"(?:-\s)?(?:и\s)?(?:это|является|есть)\s(?:(?:наш|правильный|окончательный|верный)\s)?"
        r"ответ(?:ом)?|(?:является\s)?(?:правильным|окончательным)\sответом"
    ),
    therefore=(
        r"следовательно|таким\sобразом|итак|поэтому|значит|отсюда|в\sитоге|итого|наконец|тогда"
    ),
    sought=r"иском(?:ое|ая|ый)\s\w{1,20}|искомое",
    verb=r"равно|равна|равен|равны|составляет|это|есть|является|будет",
    maybe=(
        r"возможно|может\sбыть|наверное|вероятно|не\sуверена?|иначе|предположу"
        r"|допустим"
    ),
    if_=(
        r"если|предположим|пусть|согласно|некоторые|другие|кто-то|первоначально|сначала|раньше|ранее"
    ),
    anothers=(
        r"предыдущий|прежний|прошлый|первый|первоначальный|неправильный|неверный|ошибочный"
        r"|промежуточный|говорит|сказала?|утверждает|думает|думала?|полагает|его|её|их|ваш|твой|не"
        r"|вместо"
    ),
    not_=r"не|никогда|нельзя",
    contrast=r"а|но",
    or_=r"или|либо|и/или",
    and_=r"и",
    either=r"или|либо|один\sиз",
    refuted=(
        r"(?:,\s)?(?:(?:но|однако|и|а|что)\s)?(?:(?:это|этот\sответ|он)\s)?(?:-\s)?"
        r"(?:неверно|неправильно|ошибка|ошибочно|невозможно|неверен|не\s(?:верно|правильно|так|может\sбыть))"
    ),
    retraction=(
        r"исправление:?|поправка:?|(?:стоп|подождите|погодите|нет|ой)[,.!]\s(?:нет|это\s"
        r"(?:неверно|неправильно|ошибка)|подождите|погодите)|я\sошиб(?:ся|лась)"
        r"|я\s(?:допустил|сделал)а?\sошибку|это\sбыла\sошибка|(?:нужно|надо|должен)\sисправить"
    ),
    restated=(
        r"(?:стоп|подождите|на\sсамом\sделе|нет|точнее|вернее)[,.:!]?\s(?:-\s)?(?:это|должно\sбыть"
        r"|равно|будет|правильно)"
    ),
    refusal=(
        r"(?:невозможно|нельзя|трудно|сложно|затруднительно)(?:\s\w{1,20}){1,3}"
        r"|не\s(?:могу|можем|удалось|удаётся|знаю|известн\w{1,2}|указан\w{0,2}|определ[её]н\w{0,2})(?:\s\w{1,20})?"
        r"|неизвест\w{2,4}|неопредел[её]н\w{0,3}|(?:нет|недостаточно)\s(?:информации|данных)"
    ),
    statement=r"(?:вывод|утверждение|заключение|высказывание|гипотеза|ответ|суждение)",
    true=r"верн(?:о|ый|ое|а|ым)|верен|правильн\w{1,2}|правдив\w{1,2}|истин(?:а|но|ен|на|ное|ный|ным)"
    r"|правда|true|справедлив\w{1,2}",
    false=(
        r"ложь|лож(?:но|на|ное|ный|ным|ен)|неверн(?:о|ый|ое|а|ым)|неверен|неправильн\w{1,2}"
        r"|неправда|false|ошибочн\w{1,2}|противоречит"
    ),
    uncertain=(
        r"неопредел[её]нн?\w{0,3}|неизвестн\w{1,2}|неясно|uncertain|unknown|не\sопредел[её]н\w{0,2}"
        r"|(?:невозможно|нельзя|не\s(?:можем|могу|удаётся|может\sбыть\s(?:определ|установ|подтвер)\w*))\b"
        r"[^.;]{0,100}"
        r"|не\sследует[^.;]{0,100}|недостаточно\s[^.;]{0,100}|ни\s(?:истин|верн)\w*,?\sни\s\w{1,20}"
    ),
    necessarily=r"обязательно|непременно|всегда",
    because=r"потому|так\sкак|поскольку|ибо|хотя|но|ведь|из-за|а\sне",
    option=r"вариант(?:\sответа)?|ответ|буква|опция",
    chosen=r"следовательно|таким\sобразом|поэтому|значит|только|правильн\w{2}|выбираю|мог(?:ла)?|итак",
)

CHINESE = Cues(
    language="zh",
    spaced=False,
    answer=(
        r"(?:(?:最终|最終|最后|最後|正确|正確|标准|標準|所求)的?)?答案|(?:正确|正確)的?(?:选项|選項|选择|選擇)"
        r"|(?:最终|最終|最后|最後)的?(?:结果|結果|结论|結論)|(?<![^\W\d_])答(?=\s?:)"
        r"|(?:故|应该?|應該?|所以|因此)?(?:选择|選擇|选|選)(?=[\s:*]{0,4}\(?(?-i:[A-Z])\)?(?![A-Za-z项項]))"
    ),
    about="",
    is_=(
        r"(?:并)?不是[^\n.:]{1,30}?,?\s?而(?:是|应该是|應該是)|(?:应该|應該|应当|应|應|就|便|即|则|則|也|显然|因此|所以|故|确实|必须)?"
        r"(?:是|为|為|等于|等於|选择|選擇|选|選|即)|(?=[\s:*]{0,4}\(?(?-i:[A-Z])\)?(?![A-Za-z]))"
    ),
    is_the_answer=r"(?:就|即|便)?(?:是|为|為)(?:最终|最終|正确|正確|我们的|所求)?的?(?:答案|所求)",
    therefore=(
        r"因此|所以|综上(?:所述)?|綜上(?:所述)?|故|于是|於是|从而|由此|最终|最終|最后|最後|总之|可得|得出|总共|一共"
    ),
    sought=r"所求|要求的|题目所求|所要求",
    verb=r"是|为|為|等于|等於|得|共有|有",
    maybe=r"可能|也许|也許|或许|或許|大概|猜测|猜測|我猜|我不太?确定|否则|否則|也可以是|不敢肯定",
    if_=(
        r"如果|假如|假设|假設|若|是否|以前|先前|原来|原來|起初|最初|有人|有些人|声称|聲稱|以为|以為|据说"
    ),
    anothers=(
        r"(?<![题目终确我们求一后佳問題終確準准])的|(?<![我们可])(?:认为|認為|说|說)|不是|并非|並非|不能|不应|不可|不"
        r"|错误|錯誤|误|之前|上次|刚才|中间|部分"
        r"|(?:之前|先前|起初|刚才|一开始)[^,.]{0,6}(?:写|得到|得出|算出|说)(?:的|了|成)?(?:是|为)?"
    ),
    not_=r"不是|并非|並非|不为|不等于|并不是|绝不是|不可能是|不会是|不",
    not_after="",
    contrast=r"而是|而应该是",
    or_=r"或者|或|还是|還是|和/或|要么|要麼",
    and_=r"和|与|與|以及|及|、",
    either=r"要么|或者|可能是|其中之一",
    refuted=(
        r",?\s?(?:但|但是|不过|不過|然而|可是)?,?\s?(?:这|這|那|它|该|該)?(?:个|個)?(?:答案|结果|結果|值|说法)?(?:其实|其實|显然|也)?"
        r"(?:是|有)?(?:错|錯|不对|不對|不正确|不正確|有误|有誤|不可能|不成立)"
    ),
    retraction=(
        r"更正:?|纠正:?|勘误|等等,?\s?(?:不|这不对|不对)|(?:哦|啊|噢)?,?\s?不对[,.!]|不對[,.!]|我(?:弄|算|搞|看|写)错"
        r"|我(?:犯|出)了(?:一个|个)?(?:错误|错)|(?:上面|前面|之前|刚才)的?(?:答案|计算|结果|推理)(?:是|有)?(?:错|不对|误)"
        r"|抱歉,?\s?(?:我|上面|前面)|需要(?:更正|修正|纠正)"
    ),
    restated=(
        r"(?:等等|不|不对|其实|實際上|实际上|更正)[,.:]?\s?(?:正确的?)?(?:答案|结果)?(?:应该|應該|应)?是"
        r"|(?:正确的?)?(?:答案|结果|值)?(?:应该|應該)(?:是|为)|应改为|应为"
    ),
    refusal=(
        r"(?:无法|無法|不能|难以|難以|很难|很難|没办法|不可能)(?:被)?(?:准确|准確|精确|唯一|明确|直接|从\w{1,8})?地?"
        r"(?:确定|確定|判断|判斷|回答|得知|知道|给出|給出|提供|得出|推断|推斷|计算|计|求出|查到|找到)"
        r"|未知|不知道|不清楚|不得而知|不明确|不明確|不详|不詳|未提及|没有(?:提供|给出|足够|相关|明确)|信息不足|資訊不足|不存在|不确定|不確定"
    ),
    statement=r"(?:结论|結論|陈述|陳述|命题|命題|论断|論斷|说法|說法|断言|斷言|答案|判断|推论|推論|假设的真值|真值)",
    true=(
        r"(?<![不未非])(?:正确|正確|成立|属实|屬實|真(?![实正诚心理相假值實誠])|对的|對的|true)"
        r"|可以(?:推出|得出|推导出)|必然成立"
    ),
    false=(
        r"错误|錯誤|不正确|不正確|不成立|不属实|不對|不对|错的|錯的|假(?![设設如定使期若日])|不真"
        r"|(?:与|和|與)[^.;,]{0,15}(?:前提|已知)[^.;,]{0,8}矛盾|(?<![A-Za-z])false"
    ),
    uncertain=(
        r"不确定|不確定|未知|不明确|不明確|不得而知|未定|uncertain|unknown|不一定|未必"
        r"|(?:无法|無法|不能|难以|難以|不足以)(?:被)?(?:从[^.;,]{0,12})?(?:准确|明确|直接|唯一|逻辑上|完全)?地?"
        r"(?:确定|確定|判断|判斷|得出|推断|推斷|推出|推导|证明|證明|判定|确认|確認|得知|知道|断定)[^.;,]{0,60}"
        r"|(?:信息|資訊|条件|證據|证据)不足[^.;,]{0,60}|没有足够[^.;,]{0,60}|既不能[^.;]{0,60}|并非必然[^.;,]{0,20}|不必然[^.;,]{0,20}"
    ),
    necessarily=r"一定|必然|必定|完全",
    because=r"因为|因為|由于|由於|虽然|雖然|但|尽管|儘管|而不是|而非",
    option=r"选项|選項|选择|選擇|答案|选|選",
    chosen=r"因此|所以|只有|只能|正确|正確|故|选|選|可能|可以|应该",
    asks=r"吗|嗎|呢|么",
)

JAPANESE = Cues(
    language="ja",
    spaced=False,
    answer=(
        r"(?:最終的?な?|正しい|正解の?|求める)?(?:答え|解答|回答|正解|最終回答)|(?<![^\W\d_])答(?=\s?[:は])"
        r"|正しい(?:選択肢|選択)"
    ),
    about="",
    is_=(
        r"(?:は|が)[^\n.:]{1,30}?(?:ではなく|じゃなくて?|でなく),?\s?|(?:は|が|も),?\s?(?:結局|したがって|よって|つまり)?,?\s?"
    ),
    is_the_answer=r"(?:が|は|こそ)(?:最終的?な?|正しい|求める)?(?:答え|正解|解答|回答)(?!では|じゃ)",
    therefore=r"したがって|従って|よって|ゆえに|故に|そのため|つまり|以上より|以上から|結論として|だから|最終的に|結局|合計",
    sought=r"求める|求めたい",
    verb=r"は|が",
    maybe=r"おそらく|たぶん|多分|もしかすると|もしかしたら|かもしれ|可能性|推測",
    if_=r"もし|仮に|かどうか|以前|最初|当初|はじめ|によると|によれば|ある人|誰か|例えば",
    anothers=r"(?<![題問私終求いれ])の|間違った|誤った|途中の",
    not_="",
    not_after=(
        r"では(?:ない|ありません|なかった|ございません)|じゃ(?:ない|ありません|なかった)|でない"
        r"|では決してありません"
    ),
    doubted=(
        r"とは(?:言え|限ら)|かもしれ|(?:は|が)?(?:間違い|誤り|不正解|正しくな)"
        r"|と(?:思った|考えた|言った|書いた|思いました|考えました)|でしょうか|だろうか|ですか|と主張"
    ),
    contrast=r"ではなく|じゃなくて?",
    or_=r"または|もしくは|あるいは|それとも|か(?=[\s$*\\(]{0,4}(?:\\boxed|\d))",
    and_=r"と|および|及び|、",
    either=r"または|いずれか",
    refuted=(
        r"(?:です|だ|である)?(?:が|けど|けれど)?[,.]?\s?(?:しかし|でも)?,?\s?(?:これ|それ|この答え)?(?:は|が)?"
        r"(?:間違い|間違って|誤り|正しくな|違い|違う)"
    ),
    retraction=(
        r"訂正|修正:|いや,?\s?(?:違|待|これは)|待って[,.]?\s?(?:ください)?[,.]?\s?(?:違|いや)|間違えました|間違えた|計算ミス|誤りがあり|間違いがあり"
        r"|すみません,|失礼しました"
    ),
    restated=r"(?:いや|実は|実際には|正しくは|待って)[,.]?\s?(?:正しくは|これは|それは)?,?\s?",
    refusal=(
        r"(?:特定|決定|判断|確定|回答|計算|判定|断定)(?:する(?:こと)?)?(?:は|が|も)?(?:できません|できない|不可能|困難|難しい)"
        r"|わかりません|分かりません|わからない|分からない|不明|未知|情報が(?:不足|足り|ない|ありません)|答えられません|難しいです"
        r"|存在しません|不確か|不確定"
    ),
    statement=r"(?:結論|主張|命題|記述|文|言明|仮説|答え|ステートメント)",
    true=(
        r"(?<!不)(?:正しい|真(?![偽実相の剣])(?=[\s.,)\"'である]|です|だ|と|$)|成り立つ|成立(?:する|します)|true|真実)"
    ),
    false=(
        r"偽(?!物)|誤り|誤って|間違い|間違って|正しくな[いく]|正しくありません|成り立た|成立しな|false|矛盾"
    ),
    uncertain=(
        r"不確か|不確定|不明|未知|不確実|uncertain|unknown|未定"
        r"|(?:判断|決定|判定|確定|断定|結論|証明|導く|推論|特定|導き出す)(?:する|を|づける)?(?:こと)?(?:は|が|も)?"
        r"(?:できません|できない|出せない|不可能|出せません)|(?:わかり|分かり)ません|(?:わから|分から)ない"
        r"|情報が(?:不足|足り|不十分|十分で)[^.;]{0,60}|とは限(?:らない|りません)|必ずしも[^.;]{0,60}"
    ),
    necessarily="",
    because=r"なぜなら|理由は",
    option=r"選択肢|答え|正解|オプション",
    chosen=r"したがって|よって|つまり|正解|正しい|だけ|のみ|可能性が|選択肢|選び",
    asks=r"か|でしょうか|だろうか",
)

KOREAN = Cues(
    language="ko",
    spaced=False,
    answer=(
        r"(?:최종적?인?\s?|올바른\s|정확한\s|맞는\s)?(?:정답|답변|해답|(?<!정)답(?=\s?[:은이]|\s?\())"
        r"|(?:올바른|맞는|정답)\s(?:선택지|보기|선택|옵션)"
    ),
    about="",
    is_=(
        r"(?:은|는|이|가)\s[^\n.:]{1,30}?(?:이|가)?\s?아니(?:라|고),?\s?|(?:은|는|이|가)\s?(?:따라서|결국|바로)?\s?"
    ),
    is_the_answer=r"(?:이|가)\s(?:최종\s|올바른\s|바로\s)?(?:정답|답)(?:이다|입니다|이며|이에요|\.|$)",
    therefore=r"따라서|그러므로|그래서|즉|결론적으로|결국|그러면|최종적으로|고로|총",
    sought=r"구하는|구하고자",
    verb=r"은|는|이|가",
    maybe=r"아마도?|어쩌면|혹시|가능성|추측|수도\s있",
    if_=r"만약|만일|이전|처음|최초|에\s따르면|누군가|예를\s들어",
    anothers=r"(?<!문제)(?<!질문)(?<!나)(?<!우리)(?<!최종)의|잘못된|틀린|중간|오",
    not_="",
    not_after=(
        r"(?:이|가|은|는)?\s?아니(?:다|에요|며|었|지만|고)|(?:이|가|은|는)?\s?아닙니다|(?:이|가)?\s?아닌"
    ),
    doubted=(
        r"(?:일|할)?\s?수도\s있|(?:은|는|이|가)?\s?(?:틀렸|틀린|잘못)"
        r"|(?:이|인)?라고\s(?:생각했|했|말했|주장)|일까|인가요|입니까|일지도|인가\?"
    ),
    contrast=r"아니라|아니고",
    or_=r"또는|혹은|이거나|거나|아니면|이나",
    and_=r"와|과|그리고|및|하고",
    either=r"또는|둘\s중",
    refuted=(
        r"(?:입니다|이다|이지만|지만)?[,.]?\s?(?:하지만|그러나)?,?\s?(?:이것|그것|이\s답|이건|그건)?(?:은|는|이)?\s?(?:틀렸|틀린|잘못|맞지\s않|오답)"
    ),
    retraction=(
        r"정정|수정:|아니,|아니요,|잠깐,?\s?(?:아니|이건|틀)|제가\s(?:틀렸|실수|잘못)|실수(?:를|가)\s?(?:했|있)|잘못\s?계산|오류가\s있"
        r"|죄송합니다"
    ),
    restated=r"(?:아니,|사실은|실제로는|정확히는|잠깐,)\s?(?:이것은\s|그것은\s)?",
    refusal=(
        r"알\s수\s(?:없|가\s없)|(?:결정|판단|확정|특정|확인|대답|답변|계산|제공)(?:할|하기)?\s?(?:수\s(?:없|가\s없)|불가능|어렵|어려)"
        r"|불명|불확실|알려져\s있지\s않|알려지지\s않|모르|모릅니다|정보가\s(?:부족|없|충분하지)|미상|존재하지\s않"
    ),
    statement=r"(?:결론|진술|명제|주장|가설|서술|문장|정답|답)",
    true=r"(?<![가-힣])참(?![가-힣]*[석여가조고])|사실(?=입니다|이다|임|$|\.)|옳(?:다|습니다|은)|맞(?:다|습니다|는)|true|성립(?:한다|합니다)",
    false=(r"거짓|틀(?:리다|렸|린|립)|옳지\s않|맞지\s않|false|성립하지\s않|모순|잘못(?:된|되었)"),
    uncertain=(
        r"불확실|불명확|미지|알\s수\s없|uncertain|unknown|확실하지\s않|확정할\s수\s없|미정"
        r"|(?:판단|결정|확인|증명|확정|추론|단정|도출)(?:할|될|하기에?|하기는)?\s?(?:수\s(?:없|가\s없)|불가능|어렵|부족)"
        r"|정보가\s(?:부족|불충분|충분하지)|반드시[^.;]{0,40}(?:아니|아닙|않|것은)"
    ),
    necessarily="",
    because=r"왜냐하면",
    option=r"선택지|보기|옵션|정답|답",
    chosen=r"따라서|그러므로|정답|답|유일|만|선택|가능|올바른",
    asks=r"까|까요|나요|인가요",
)

LANGUAGES = (
    ENGLISH, GERMAN, FRENCH, SPANISH, PORTUGUESE, ITALIAN, RUSSIAN, CHINESE, JAPANESE, KOREAN,
)  # fmt: skip
CJK = r"\u3000-\u303f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Characters of Chinese, Japanese and Korean, for a character class."""


def bounded(cues: Cues, entry: str) -> str:
    """An entry as a group, between word boundaries where its language has words."""
    pattern = getattr(cues, entry)
    if not pattern:
        return EMPTY
    if not cues.spaced:
        return f"(?:{pattern})"
    return rf"(?:(?<!\w)|(?=n't\b))(?:{pattern})(?!\w)"


Languages = tuple[Cues, ...]


def cue(entry: str, *, but_english: bool = False) -> str:
    """A place in a `CuePattern` for an entry of the languages that a text speaks."""
    return f"«{entry}{'!' if but_english else ''}»"


_PLACE = re.compile(r"«(\w+)(!?)»")


class CuePattern:
    """A regular expression with places for cues, compiled for the languages of a text.

    All languages at once would take a second to compile and as long to search what is nearly
    always English.
    """

    def __init__(self, template: str, flags: int = re.I) -> None:
        self._template, self._flags = template, flags
        self._compiled: dict[Languages, re.Pattern[str]] = {}

    def of(self, languages: Languages) -> re.Pattern[str]:
        """The pattern with the cues of these languages, each entry as one group."""
        pattern = self._compiled.get(languages)
        if pattern is None:

            def entries(place: re.Match[str]) -> str:
                spoken = languages[1:] if place[2] else languages
                return f"(?:{'|'.join(bounded(cues, place[1]) for cues in spoken) or EMPTY})"

            pattern = re.compile(_PLACE.sub(entries, self._template), self._flags)
            self._compiled[languages] = pattern
        return pattern


_SCRIPTS = {
    RUSSIAN: re.compile(r"[\u0400-\u04ff]"),
    CHINESE: re.compile(r"[\u3400-\u9fff]"),
    JAPANESE: re.compile(r"[\u3040-\u30ff]|[\u3400-\u9fff]{1,8}\s?[:=]"),
    KOREAN: re.compile(r"[\uac00-\ud7af]"),
}
_WORDS = {
    GERMAN: "antwort endantwort lösung ergebnis endergebnis ist nicht der das oder aussage wahr"
    " falsch schlussfolgerung daher also somit korrektur richtig richtige",
    FRENCH: "réponse est la le ou donc résultat vrai vraie faux fausse affirmation ainsi choix",
    SPANISH: "respuesta resultado es la el o verdadero verdadera falso falsa entonces afirmación"
    " conclusión solución opción tanto",
    PORTUGUESE: "resposta resultado é o não ou verdadeiro verdadeira falso falsa portanto logo"
    " afirmação conclusão opção alternativa",
    ITALIAN: "risposta risultato è il la o oppure non vero vera falso falsa quindi affermazione"
    " conclusione opzione dunque pertanto",
}
_MARKS = {cues: frozenset(words.split()) for cues, words in _WORDS.items()}
_WORD = re.compile(r"[^\W\d_]+")
_MOST_HEARD = 100_000


def spoken(text: str) -> Languages:
    """The languages whose marks the end of a text bears, English always and first."""
    text = text[-_MOST_HEARD:]
    words = {word[0].lower() for word in _WORD.finditer(text)}
    return (
        ENGLISH,
        *(cues for cues, marks in _MARKS.items() if not words.isdisjoint(marks)),
        *(cues for cues, script in _SCRIPTS.items() if script.search(text)),
    )
