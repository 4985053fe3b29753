"""The cues of German."""

from __future__ import annotations

from lrmtest.grading.cues.form import CLAUSE, Cues

GERMAN = Cues(
    language="de",
    marks=(
        "antwort endantwort lösung ergebnis endergebnis ist nicht der das oder aussage wahr "
        "falsch ungewiss unsicher unbekannt unklar schlussfolgerung daher somit insgesamt gibt "
        "korrektur richtig richtige"
        " ich nein habe moment warte und damit sich ergibt erhält beträgt lautet summe zahl anzahl"
        " leider mir leid"
    ),
    answer=(
        r"(?:(?:die|meine|unsere|das|end(?:gültige|ültige)|finale|richtige|korrekte|abschließende"
        r"|letzte)\s){0,3}(?:antwort|endantwort|lösung|endergebnis|ergebnis(?=\s?:)|(?:richtige|korrekte)\s"
        r"(?:option|auswahl))"
    ),
    about=(rf"(?:auf|zu|zur|zum|der|des|dieser|für|muss|sollte|wäre|also|hier)\b{CLAUSE}{{0,80}}?"),
    is_=(
        r"ist\snicht\s[^\n.:]{1,40}?,?\ssondern|(?:ist|lautet|beträgt|sind|ergibt|sein)"
        r"(?:\s(?:also|daher|somit|demnach|damit|folglich))?"
    ),
    inverted=r"ist|lautet|beträgt",
    is_the_answer=(
        r"(?:ist|lautet)\s(?:also\s|somit\s|damit\s)?(?:die|unsere|meine)\s"
        r"(?:(?:endgültige|richtige|korrekte|gesuchte)\s){0,2}(?:antwort|lösung)"
    ),
    therefore=(
        r"(?:fazit|ergebnis)(?=\W{0,4}:)|daher|also|somit|folglich|demnach|deshalb|damit|insgesamt|schließlich|deswegen|mithin"
    ),
    sought=r"gesuchte[nrs]?\s\w{1,20}(?:\sder\swert)?|gesucht",
    counted=(
        r"(?:gibt|sind)\s(?:es\s)?(?:(?:also|daher|somit|damit)(?:\sgenau)?|genau)|insgesamt|alles\sin\sallem"
        r"|(?:somit|daher|also|folglich|damit)\s(?:gibt|sind)\ses"
    ),
    bound=(
        r"mindestens|höchstens|mehr\sals|weniger\sals|größer\sals|kleiner\sals|über|unter"
        r"|etwa|ungefähr|rund|fast|circa|ca\.?|bis\szu|maximal|minimal"
    ),
    opening=r"addiert\sman\b[^,.;]{0,60}",
    follows=r"so",
    gets=r"man\serhält|erhalten\swir|wir\serhalten",
    adjective=r"gesamte|größte|kleinste|größtmögliche|kleinstmögliche|maximale|minimale",
    quantity=(
        r"zahl|anzahl|wert|summe|rest|produkt|fläche|flächeninhalt|volumen|länge|umfang"
        r"|differenz|minimum|maximum|ergebnis|möglichkeiten|(?:größte"
        r"|kleinste)\w{0,2}\s\w{1,20}"
        r""
    ),
    step=(
        r"schranke|obere|untere|beispiel|bisher|zeigen|beweisen|falsch|frage|wobei|sei|bleibt|angenommen|vorausgesetzt"
        r"|in\sdiesem\sfall|im\s\w{1,12}\sfall|fall\s\w|bisher|zunächst|als\snächstes|teil"
        r"|schritt|gegeben|wäre\w?|würde\w?|übrig"
    ),
    verb=r"ist|sind|beträgt|ergibt(?:\ssich)?|ergeben\ssich|lautet|gleich|erhält\sman|erhalten\swir",
    maybe=(
        r"vielleicht|wahrscheinlich|wohl|wäre|möglicherweise|eventuell|könnte|vermutlich|unsicher|nicht\ssicher|alternativ"
        r"|andernfalls|sonst|vermute"
    ),
    if_=(r"wenn|falls|ob|angenommen|sofern|laut|ursprünglich\w{0,2}|anfangs|manche|jemand"),
    anothers=(
        r"frühere[nr]?|vorherige[nr]?|vorige[nr]?|erste[nr]?|falsche[nr]?|sagt|sagte|behauptet"
        r"|behauptete|meint|meinte|glaubt|glaubte|dachte|deine|ihre|seine|eure|nicht|keine|statt"
        r"|anstatt|(?:zuvor|vorhin|anfangs|früher)\s\w{2,12}\sich"
        r"|(?-i:[A-ZÄÖÜ][a-zäöü]{2,15}s)|schülers|studenten"
    ),
    says=r"sagt|sagte|behauptet|behauptete|meint|meinte|glaubt|glaubte|dachte",
    not_=r"nicht|kein\w{0,2}|niemals",
    or_=r"oder|und/oder|bzw\.?|beziehungsweise",
    and_=r"und",
    either=r"entweder|eine[rs]?\svon|sowohl",
    refuted=(
        r"(?:,\s)?(?:(?:aber|doch|jedoch|und|was)\s)?(?:(?:das|dies|diese\santwort|sie|es)\s)?"
        r"(?:ist|war|wäre)\s(?:aber\s|jedoch\s|leider\s|natürlich\s)?"
        r"(?:falsch|nicht\s(?:richtig|korrekt|möglich)|inkorrekt|ein\s(?:fehler|irrtum)"
        r"|unmöglich)"
        r"|was\s(?:aber\s|jedoch\s)?(?:falsch|nicht\s(?:richtig|korrekt)|inkorrekt)\s(?:ist"
        r"|war|wäre)"
    ),
    retraction=(
        r"korrektur:?|da\sstimmt\setwas\snicht|(?:das|dies)\sstimmt\s(?:so\s)?nicht|halt,\snein|nein,\s(?:warte|moment|halt)|(?:moment|warte|stopp|halt)[,.!]\s"
        r"(?:nein|das\s(?:ist|war)\s(?:falsch|nicht\s(?:richtig|korrekt)))"
        r"|ich\shabe\smich\s(?:geirrt|verrechnet|vertan)|(?:das|dies)\swar\s(?:ein\sfehler"
        r"|falsch)"
        r"|ich\s(?:korrigiere|muss\s(?:mich\s)?korrigieren)"
        r"|ich\shabe\seinen\s(?:\w{1,15}\s)?fehler"
    ),
    restated=(
        r"(?:(?:moment|warte|eigentlich|genauer)[,.:!]?|(?:nein|doch)[,.:!])\s(?:(?:es|das"
        r"|richtig)\s)?"
        r"(?:ist|sind|lautet|wäre|muss)(?:\ses|\seigentlich)?"
        r"|(?:richtig|korrekt)\s(?:ist|wäre|lautet)|(?:es|das)\smüsste"
    ),
    refusal=(
        r"(?:kann|können|lässt|konnte|könnte)\s(?:ich\s|man\s|wir\s|sich\s|die\s\w{1,20}\s"
        r"|es\s){0,2}"
        r"(?:leider\s)?nicht\s(?:\w{1,20}\s){0,3}(?:bestimm\w*|beantwort\w*|ermittel\w*|sagen|"
        r"angeben|angegeben|feststell\w*|festgestellt)"
        r"|(?:weiß|kenne)\s(?:ich\s|es\s|die\s\w{1,20}\s){0,2}nicht|nicht\s(?:bekannt"
        r"|bestimmbar|ermittelbar"
        r"|eindeutig|bestimmt|angegeben|verfügbar)|unbekannt|unklar|unbestimmt|ungewiss"
        r"|tut\smir\sleid|keine\s(?:\w{1,20}\s)?(?:angaben|informationen|antwort)|schwierig|schwer\szu"
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
    chosen=(
        r"daher|also|somit|folglich|nur|einzige[nrs]?|bleibt|richtig\w{0,2}|korrekt\w{0,2}|wähle|konnte|könnte|kann"
    ),
)
