"""The cues of Italian."""

from __future__ import annotations

from lrmtest.grading.cues.form import CLAUSE, Cues

ITALIAN = Cues(
    language="it",
    marks=(
        "risposta risultato è il la o oppure vero vera falso falsa quindi affermazione "
        "conclusione opzione dunque pertanto incerto incerta"
        " aspetta sbagliato somma numero otteniamo una dispiace non"
    ),
    answer=(
        r"(?:(?:la|mia|nostra)\s){0,2}risposta(?:\s(?:finale|corretta|esatta|giusta))?"
        r"|(?:il\s)?risultato(?:\sfinale|(?=\s?:))|l'opzione\scorretta"
    ),
    about=(rf"(?:a|al|alla|del|della|di\squesto|per|deve|dovrebbe|sarebbe|qui)\b{CLAUSE}{{0,80}}?"),
    is_=(
        r"non\sè\s[^\n.:]{1,40}?,?\s(?:ma|bensì)|(?:è|sono|sarebbe|essere|vale)"
        r"(?:\s(?:quindi|dunque|allora|pari\sa))?"
    ),
    is_the_answer=(
        r"è\s(?:quindi\s)?la\s(?:nostra\s)?risposta(?:\s(?:finale|corretta))?"
        r"|come\s(?:risposta|risultato)(?:\sfinale)?"
    ),
    therefore=r"quindi|dunque|perciò|pertanto|così|infine|in\sconclusione|in\stotale|allora",
    sought=r"\w{1,20}\s(?:cercat[oa]|richiest[oa])",
    counted=(
        r"ci\ssono\s(?:esattamente|in\stutto)|in\stotale|in\stutto"
        r"|(?:pertanto|quindi|dunque),?\sci\ssono"
    ),
    bound=(
        r"almeno|al\s(?:massimo|più|minimo)|più\sdi|meno\sdi|maggiore\sdi|minore\sdi|circa"
        r"|quasi|fino\sa|tra"
    ),
    opening=r"[^\s,]{2,20}(?:ando|endo)\b[^,.;]{0,60}",
    gets=r"otteniamo|abbiamo|si\sottiene|arriviamo\sa",
    adjective=r"totale",
    quantity=(
        r"numero|intero|valore|somma|resto|prodotto|area|volume|lunghezza|perimetro|differenza|minimo"
        r"|massimo|totale|risultato|(?:più\s(?:grande|piccol[oa]))\s\w{1,20}|otteniamo|abbiamo"
        r"|si\sottiene"
    ),
    step=(
        r"limite|maggiorante|esempio|mostrare|dimostrare|falso|domanda|dove|sia|resta|ricordiamo|supponiamo"
        r"|in\s(?:questo|quel)\scaso|nel\s\w{1,12}\scaso|caso\s\w|finora|passo|parte|dat[oa]"
        r"|sarebbe|sarebbero|avrebbe"
    ),
    verb=r"è|sono|vale|dà|risulta|pari\sa|uguale\sa",
    maybe=(
        r"forse|probabilmente|sarebbe|possibile|possibilmente|potrebbe|altrimenti|non\ssono\ssicuro"
    ),
    if_=r"se|supponiamo|supponendo|secondo|alcuni|altri|qualcuno|inizialmente|precedentemente",
    anothers=(
        r"prima|precedente|dice|disse|afferma|sostiene|crede|credeva|pensa|pensava|pensavo"
        r"|tua|sua"
        r"|non|nessuna|invece\sdi|anziché|falsa"
    ),
    says=r"dice|disse|afferma|sostiene|crede|credeva|pensa|pensava|pensavo",
    not_=r"non|mai",
    or_=r"o|oppure|e/o|ovvero",
    and_=r"e|ed",
    either=r"o|una\sdi|sia",
    refuted=(
        r"(?:sbagliat[oa]|errat[oa]|fals[oa])(?=\s?\))|"
        r"(?:,\s)?(?:(?:ma|però|e|il\sche)\s)?(?:(?:questo|ciò|questa\srisposta|essa)\s)?"
        r"(?:non\s(?:è|era)\s(?:corrett[oa]|giust[oa]|possibile)"
        r"|(?:è|era|sarebbe)\s(?:errat[oa]|sbagliat[oa]|fals[oa]|un\serrore|impossibile))"
    ),
    retraction=(
        r"(?:questo|ciò)\scontraddice\s(?:\w{1,4}\s|l')(?:ipotesi|condizione|enunciato)|"
        r"correzione:?|c'è\sun\serrore|(?:aspetta|scusa|in\srealtà)[,.!]\s(?:no|è\ssbagliato)|no,\saspetta"
        r"|mi\ssono\ssbagliat[oa]|ho\s(?:fatto|commesso)\sun\serrore|era\sun\serrore"
        r"|devo\scorreggere"
    ),
    restated=(
        r"(?:(?:aspetta|in\srealtà|scusa)[,.:!]?|no[,.:!])\s(?:è|sono|dovrebbe\sessere"
        r"|deve\sessere)"
    ),
    refusal=(
        r"non\s(?:si\s)?(?:può|posso|possiamo|so|sa|è\spossibile)\b(?:\s\w{1,20}){0,3}"
        r"|non\s(?:dispongo|ho)|mi\sdispiace|sconosciut[oa]|indeterminat[oa]|incert[oa]|ignot[oa]|impossibile\s\w{1,20}"
        r"|difficile\s\w{1,20}"
        r"|insufficient[ei]"
    ),
    statement=(
        r"(?:conclusione|affermazione|proposizione|enunciato|ipotesi|risposta|dichiarazione)"
    ),
    true=r"ver[oa]|corrett[oa]|true|valid[oa]|esatt[oa]",
    false=r"fals[oa]|errat[oa]|sbagliat[oa]|scorrett[oa]|false",
    uncertain=(
        r"incert[oa]|indeterminat[oa]|sconosciut[oa]|ignot[oa]|uncertain|unknown"
        r"|non\s(?:si\s)?(?:può|posso|possiamo|è\spossibile)\b(?!\sessere\s(?:ver[oa]"
        r"|corrett))[^.;]{0,100}"
        r"|insufficient[ei][^.;]{0,100}|non\sci\ssono\s(?:abbastanza|informazioni)[^.;]{0,100}"
    ),
    necessarily=r"necessariamente|sempre|per\sforza",
    because=r"perché|poiché|dato\sche|siccome|sebbene|mentre|ma|in\squanto",
    option=r"opzione|risposta|lettera|alternativa",
    chosen=r"quindi|dunque|solo|soltanto|unic[oa]|rimast[oa]|resta|corrett[oa]|scelgo|potrebbe|avrebbe",
)
