"""The cues of French."""

from __future__ import annotations

from lrmtest.grading.cues.form import CLAUSE, Cues

FRENCH = Cues(
    language="fr",
    marks=(
        "réponse est la le ou donc résultat vrai vraie faux fausse affirmation ainsi choix "
        "incertain incertaine indéterminé inconnu"
        " je non attendez sais"
    ),
    answer=(
        r"(?:(?:la|ma|notre|bonne)\s){0,2}réponse(?:\s(?:finale|correcte|exacte|définitive))?"
        r"|(?:le\s)?résultat\sfinal|(?:la\sbonne\soption|l'option\scorrecte|le\sbon\schoix)"
    ),
    about=(
        r"(?:à|au|de\s(?:la|cette|ce)|du|pour|à\sce|doit|devrait|serait|donc|ici)"
        r"(?!\s(?:l')?(?:élève|étudiant))"
        rf"\b{CLAUSE}{{0,80}}?"
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
    quantity=(
        r"nombre|valeur|somme|reste|produit|aire|volume|longueur|périmètre|différence|minimum"
        r"|maximum|total|résultat|(?:plus\s(?:grand|petit)e?)\s\w{1,20}|on\s(?:obtient|trouve)"
        r"|nous\s(?:obtenons|trouvons)"
    ),
    step=(
        r"dans\sce\scas|premier\scas|cas\s\w|jusqu'ici|d'abord|étape|partie|donnée?|serait"
        r"|seraient|aurait"
    ),
    verb=r"est|sont|vaut|valent|égale|donne|obtient|trouve|est\s(?:donc\s)?de",
    maybe=(r"peut-être|probablement|serait|pourrait|possible|éventuellement|sinon|alternativement|pas\ssûre?"),
    if_=(
        r"si|s'il|supposons|imaginons|selon|d'après|certains|d'autres|quelqu'un|initialement"
        r"|auparavant"
    ),
    anothers=(
        r"première|ancienne|mauvaise|fausse|dit|disait|prétend|pensait|pensais|croit|croyait"
        r"|affirme"
        r"|votre|ta|leur|sa|aucune|pas|au\slieu\sde|plutôt\sque|cru|exemple\sde"
    ),
    says=r"dit|disait|prétend|pensait|pensais|croit|croyait|affirme",
    not_=r"pas|n'est\spas|jamais|ne\s\w{1,12}\spas|non",
    or_=r"ou|et/ou|ou\sbien",
    and_=r"et",
    either=r"soit|ou\sbien|l'une?\sdes?",
    refuted=(
        r"(?:,\s)?(?:(?:mais|cependant|et|or|ce\squi)\s)?(?:(?:cela|ceci|elle|ça"
        r"|cette\sréponse)\s)?"
        r"(?:(?:est|était|serait)\s(?:\w{1,15}ment\s)?(?:faux|fausse|incorrecte?|erronée?"
        r"|une\serreur"
        r"|impossible)|(?:n'est|n'était)\spas\s(?:correcte?|juste|exacte?|possible|bon|bonne"
        r"|vrai))"
        r"|mais\sc'(?:est|était)\s(?:faux|incorrect|une\serreur)"
    ),
    retraction=(
        r"correction:?|rectification:?|attendez?,\snon|non,\sattend\w{1,3}|erratum"
        r"|(?:attendez?|en\sfait|pardon|désolée?)[,.!]\s(?:non|c'(?:est|était)\sfaux)"
        r"|je\sme\ssuis\strompée?|j'ai\s(?:fait|commis)\sune\serreur|c'était\sune\serreur"
        r"|je\s(?:corrige|dois\scorriger|rectifie)"
    ),
    restated=(
        r"(?:(?:attendez?|en\sfait|plutôt|pardon)[,.:!]?|non[,.:!])\s(?:c'est|il\ss'agit\sde"
        r"|cela\sfait"
        r"|ce\sdevrait\sêtre)(?:\splutôt|\sen\sfait)?"
    ),
    refusal=(
        r"(?:ne\s(?:peut|peux|pouvons|sais|connais|permet)|n'(?:est|a))\s(?:\w{1,12}\s)?pas\b"
        r"(?:\s\w{1,20}){0,3}\s?(?:détermin\w*|connue?|répond\w*|précisée?|possible"
        r"|disponible|établ\w*"
        r"|donner|savoir|indiquée?)"
        r"|(?:on\s)?(?:ne\s)?(?:peut|peux|sais)\spas|(?:je\s)?ne\ssais\spas|inconnue?"
        r"|indéterminée?"
        r"|impossible\s(?:de|à)|difficile\sde|(?:aucune|pas\sd')\s?(?:information|donnée)"
        r"|incertaine?"
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
    because=(
        r"car|parce\sque|puisque|bien\sque|tandis\sque|mais|alors\sque|étant\sdonné|en\sraison"
    ),
    option=r"option|réponse|choix|lettre|proposition",
    chosen=r"donc|ainsi|seule?|seulement|correcte?|bonne?|choisis|aurait|a\spu|possible",
)
