"""The cues of Portuguese."""

from __future__ import annotations

from lrmtest.grading.cues.form import CLAUSE, Cues

PORTUGUESE = Cues(
    language="pt",
    marks=(
        "resposta resultado é o não ou verdadeiro verdadeira falso falsa portanto logo "
        "afirmação conclusão opção alternativa incerto incerta"
        " ao há são espere cometi erro número soma obtemos uma os pelo pela chegamos"
    ),
    answer=(
        r"(?:(?:a|minha|nossa)\s){0,2}resposta(?:\s(?:final|correta|certa))?"
        r"|(?:o\s)?resultado(?:\sfinal|(?=\s?:))"
        r"|a\s(?:opção|alternativa)\scorreta"
    ),
    about=rf"(?:à|ao|da|do|desta|deste|para|deve|deveria|seria|aqui)\b{CLAUSE}{{0,80}}?",
    is_=(
        r"não\sé\s[^\n.:]{1,40}?,?\smas(?:\ssim)?|(?:é|são|seria|ser|vale)"
        r"(?:\s(?:então|portanto|igual\sa))?"
    ),
    is_the_answer=(
        r"é\s(?:portanto\s)?a\s(?:nossa\s)?resposta(?:\s(?:final|correta))?"
        r"|como\s(?:resposta|resultado)(?:\sfinal)?"
    ),
    therefore=(
        r"portanto|logo|assim|então|em\sconclusão|finalmente|por\sisso|no\stotal|concluímos\sque"
    ),
    sought=r"\w{1,20}\s(?:procurad[oa]|pedid[oa]|solicitad[oa])",
    counted=(
        r"(?:há|existem)\sexatamente|ao\stodo|no\stotal|(?:logo|portanto|assim),?\s(?:há|existem)"
    ),
    bound=(
        r"(?:pelo|ao)\smenos|no\s(?:mínimo|máximo)|mais\s(?:de|que)|menos\s(?:de|que)"
        r"|maior\s(?:que|do\sque)|menor\s(?:que|do\sque)|cerca\sde|aproximadamente|quase"
        r"|até|entre"
    ),
    opening=r"[^\s,]{2,20}(?:ando|endo|indo)\b[^,.;]{0,60}",
    gets=r"(?:obtemos|temos|chegamos\sa)(?:\sque)?",
    adjective=r"total|maior|menor",
    quantity=(
        r"número|inteiro|valor|soma|resto|produto|área|volume|comprimento|perímetro|diferença|mínimo"
        r"|máximo|total|quantidade|resultado|(?:maior|menor)\s\w{1,20}"
    ),
    step=(
        r"cota|exemplo|limite|mostrar|provar|falso|pergunta|onde|seja|falta|lembremos|suponhamos"
        r"|n(?:este|esse|o\s\w{1,12})\scaso|caso\s\w|até\sagora|primeiro|passo|etapa|parte"
        r"|dad[oa]|seria|seriam|teria"
    ),
    verb=r"há|existem|é|são|vale|dá|resulta|igual\sa",
    maybe=r"talvez|provavelmente|seria|possivelmente|possível|poderia|pode\sser|caso\scontrário|não\stenho\scerteza",
    if_=r"se|supondo|suponha|segundo|alguns|outros|alguém|inicialmente|anteriormente",
    anothers=(
        r"primeira|anterior|antiga|diz|disse|afirma|afirmou|acredita|acha|pensa|pensava"
        r"|pensei|sua"
        r"|tua|não|nenhuma|em\svez\sde|falsa"
    ),
    says=r"diz|disse|afirma|afirmou|acredita|acha|pensa|pensava|pensei",
    not_=r"não|nunca",
    or_=r"ou|e/ou",
    and_=r"e",
    either=r"ou|uma\sdas",
    refuted=(
        r"(?:incorret[oa]|errad[oa]|fals[oa])(?=\s?\))|"
        r"(?:,\s)?(?:(?:mas|porém|e|o\sque)\s)?(?:(?:isso|isto|ela|essa\sresposta)\s)?"
        r"(?:não\s(?:é|era|está)\s(?:corret[oa]|cert[oa]|possível)"
        r"|(?:é|era|está|seria)\s(?:incorret[oa]|fals[oa]|errad[oa]|um\serro|impossível))"
    ),
    retraction=(
        r"(?:isso|isto)\scontradiz\s\w{1,4}\s(?:hipótese|condição|enunciado)|"
        r"correção:?|há\sum\serro|(?:espere|espera|desculpe|na\sverdade)[,.!]\s(?:não|isso\sestá\serrado)"
        r"|não,\sesper[ae]|eu\sme\senganei|me\senganei|cometi\sum\serro|foi\sum\serro"
        r"|preciso\scorrigir"
    ),
    restated=(
        r"(?:(?:espere|espera|na\sverdade|desculpe)[,.:!]?|não[,.:!])\s(?:é|são|deveria\sser"
        r"|deve\sser)"
    ),
    refusal=(
        r"não\s(?:se\s)?(?:pode|posso|podemos|sei|sabe|há|é\spossível)\b(?:\s\w{1,20}){0,3}"
        r"|não\s(?:disponho|tenho)|lamento|desconhecid[oa]|indeterminad[oa]|incert[oa]|impossível\s\w{1,20}|difícil\s\w{1,20}"
        r"|informação\sinsuficiente|insuficiente"
    ),
    statement=r"(?:conclusão|afirmação|proposição|enunciado|hipótese|resposta|declaração)",
    true=r"verdadeir[oa]|corret[oa]|true|válid[oa]|verdade",
    false=r"fals[oa]|incorret[oa]|errad[oa]|false|inválid[oa]",
    uncertain=(
        r"incert[oa]|indeterminad[oa]|desconhecid[oa]|uncertain|unknown"
        r"|não\s(?:se\s)?(?:pode|posso|podemos|é\spossível)\b(?!\sser\s(?:verdad"
        r"|corret))[^.;]{0,100}"
        r"|não\shá\s(?:informaç|evidênc)[^.;]{0,100}|insuficiente[^.;]{0,100}"
    ),
    necessarily=r"necessariamente|sempre",
    because=r"porque|pois|já\sque|uma\svez\sque|embora|enquanto|mas|devido",
    option=r"opção|alternativa|resposta|letra",
    chosen=r"portanto|logo|só|somente|apenas|únic[oa]|resta|corret[oa]|escolho|poderia|então",
)
