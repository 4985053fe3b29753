"""The cues of Spanish."""

from __future__ import annotations

from lrmtest.grading.cues.form import CLAUSE, Cues

SPANISH = Cues(
    language="es",
    marks=(
        "respuesta resultado es la el o verdadero verdadera falso falsa entonces afirmación "
        "conclusión solución opción tanto incierto incierta indeterminado desconocido"
        " así los las del espera equivoqué sé número suma obtenemos por una hay"
    ),
    answer=(
        r"(?:(?:la|mi|nuestra)\s){0,2}respuesta(?:\s(?:final|correcta|definitiva"
        r"|es\sla\sopción))?"
        r"|(?:el\s)?resultado\sfinal|la\sopción\scorrecta|solución(?:\sfinal)?"
    ),
    about=rf"(?:a|al|de\s(?:la|esta|este)|del|para|debe|debería|sería|aquí)\b{CLAUSE}{{0,80}}?",
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
    counted=(
        r"(?:hay|existen)\sexactamente|en\stotal"
        r"|(?:así\spues|por\s(?:lo\s)?tanto|entonces|luego|así\sque),?\s(?:hay|existen)"
    ),
    quantity=(
        r"número|valor|suma|resto|residuo|producto|área|volumen|longitud|perímetro|diferencia"
        r"|mínimo|máximo|total|cantidad|resultado|(?:mayor|menor)\s\w{1,20}|(?:se\s(?:obtiene"
        r"|tiene)|obtenemos|tenemos)"
    ),
    step=(
        r"cota|ejemplo|demostrar|probar|falso|pregunta|donde|sea|falta|recordemos|supongamos"
        r"|en\s(?:este|ese|el\s\w{1,12})\scaso|caso\s\w|hasta\sahora|primero|paso|parte|dad[oa]"
        r"|sería|serían|tendría"
    ),
    verb=r"hay|es|son|vale|da|resulta|igual\sa",
    maybe=(
        r"quizás?|probablemente|sería|tal\svez|posible(?:mente)?|podría|puede\sser|alternativamente|si\sno"
        r"|no\sestoy\ssegur[oa]|supongo|acaso"
    ),
    if_=(
        r"si|suponiendo|supongamos|según|algunos|otros|alguien|inicialmente|anteriormente"
        r"|al\sprincipio"
    ),
    anothers=(
        r"primera|anterior|antigua|dice|dijo|afirma|afirmó|cree|creía|piensa|pensaba|pensé|tu"
        r"|su|no"
        r"|ninguna|en\s(?:vez|lugar)\sde|falsa|mala"
    ),
    says=r"dice|dijo|afirma|afirmó|cree|creía|piensa|pensaba|pensé",
    not_=r"no|nunca|tampoco",
    or_=r"o|y/o|u|o\sbien",
    and_=r"y|e",
    either=r"o\sbien|una\sde|ya\ssea",
    refuted=(
        r"(?:,\s)?(?:(?:pero|sin\sembargo|y|lo\scual|lo\sque)\s)?(?:(?:eso|esto|ella"
        r"|esa\srespuesta)\s)?"
        r"(?:no\s(?:es|era|sería)\s(?:correct[oa]|ciert[oa]|posible|válid[oa])"
        r"|(?:es|era|sería)\s(?:\w{1,15}mente\s)?(?:incorrect[oa]|fals[oa]|erróne[oa]"
        r"|un\serror|imposible))"
    ),
    retraction=(
        r"corrección:?|rectifico:?|(?:espera|perdón|en\srealidad|un\smomento)[,.!]\s"
        r"(?:no|eso\s(?:está\smal|es\sincorrecto|no\ses\scorrecto))|no,\sespera"
        r"|me\s(?:equivoqué|he\sequivocado)|cometí\sun\serror|he\scometido\sun\serror"
        r"|(?:debo|tengo\sque)\scorregir|fue\sun\serror"
    ),
    restated=(
        r"(?:(?:espera|en\srealidad|perdón|más\sbien)[,.:!]?|no[,.:!])\s(?:es|son"
        r"|debería\sser|debe\sser"
        r"|sería|lo\scorrecto\ses)(?:\sen\srealidad)?"
    ),
    refusal=(
        r"no\s(?:(?:se|lo|la)\s)?(?:puede|puedo|podemos|sé|sabe|conoce|conozco|hay)\b(?:\s\w{1,20}){0,3}"
        r"|desconocid[oa]|indeterminad[oa]|inciert[oa]|imposible\s(?:de\s)?\w{1,20}"
        r"|difícil\s\w{1,20}"
        r"|no\s(?:está|es)\s(?:\w{1,20}\s)?(?:especificad|disponible|clar|conocid|posible)\w*"
        r"|información\sinsuficiente|insuficiente"
    ),
    statement=(
        r"(?:conclusión|afirmación|proposición|enunciado|aserción|hipótesis|respuesta"
        r"|declaración)"
    ),
    true=r"verdader[oa]|ciert[oa]|correct[oa]|true|válid[oa]|verdad",
    false=r"fals[oa]|incorrect[oa]|erróne[oa]|false|inválid[oa]|mentira|contradicha?",
    uncertain=(
        r"inciert[oa]|indeterminad[oa]|desconocid[oa]|incert\w*|uncertain|unknown|indecidible"
        r"|no\s(?:se\s)?(?:puede|puedo|podemos|pueden)\b(?!\sser\s(?:verdad|ciert"
        r"|correct))[^.;]{0,100}"
        r"|no\shay\s(?:suficiente|información|evidencia)[^.;]{0,100}|insuficiente[^.;]{0,100}"
        r"|ni\sverdader[oa]\sni\sfals[oa]|imposible\s[^.;]{0,100}"
    ),
    necessarily=r"necesariamente|seguramente|siempre",
    because=r"porque|ya\sque|puesto\sque|dado\sque|aunque|mientras|pero|debido",
    option=r"opción|respuesta|letra|alternativa|inciso",
    chosen=r"por\s(?:lo\s)?tanto|así|sol[oa]|únic[oa]|correct[oa]|elijo|pudo|podría|entonces",
)
