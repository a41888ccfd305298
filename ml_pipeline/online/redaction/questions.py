"""What an agent's message asks the customer for, in English and Spanish."""

import re
from functools import cache

from ml_pipeline.online.redaction.said import plain

_BIRTH_DATE = r"""
    (?:fecha\ de|date\ of)\ (?:nacimiento|birth) | \bbirth\ ?da(?:y|te) | \bdob\b | \bborn\b
    | \b(?:nacimiento|naciste|nacio|nacieron|cumpleanos|cumple|cumples)\b | \bde\ cuando\ es\b | \bde\ que\ fecha\ es\b
    | ^\W*(?:(?:and|y)\ )?(?:(?:the|el)\ )?(?:month|day|year|mes|dia|ano)\b[^?]{0,20}\?
    | \b(?:dia|month),?\ (?:y\ )?(?:mes|day)\b | \bhow\ old\b.*\bdob\b
"""
_EMAIL = r"""
    \be\ ?-?mails?\b | \bcorreos?\b | \bmail(?:box)?\b | \binbox\b | \bbuzon\b | \busuario\b
    | \b(?:where|adonde|a\ donde)\ .{0,20}(?:send|mandamos|mando|enviamos|envio)\b
    | \barrobas?\b | \bdot\ (?:com|net)\b | \b(?:before|after)\ the\ at\b | \be-signature\b | \bdomain\b | \bdominio\b
    | \bwhere\ (?:should|does|do|can)\ .{0,20}(?:invoice|receipt|link|quote|contract)
    | \bdonde\ .{0,20}(?:factura|recibo|liga|cotizacion|estados?\ de\ cuenta|contrato)
"""
_NAME = r"""
    (?<!user\ )(?<!company\ )(?<!file\ )(?<!domain\ )\bnames?\b
      (?!\ of\ (?:your|the)\ (?:company|business|product|program))
    | \bsurnames?\b | \bapellidos?\b | \bnombres?\b(?!\ de\ (?:la|su|tu)\ (?:empresa|negocio|compania|producto))
    | \bcomo\ (?:te|se)\ (?:llama|apellida)s?\b | \bcomo\ (?:lo|la|le|te)\ puedo\ llamar | \bwhat\ should\ i\ call\ you
    | ^\W*(?:(?:and|so|y|entonces)\ )?(?:(?:a|con|de|por)\ )?(?:quien|whom?|who's|who'll)\b(?=.*\?)
    | \bwho(?:m)?\ (?:am\ i|do\ i)\b | \bcon\ quien\b
    | \b(?:account\ ?|card\ ?|policy\ ?)holder\b | \btitular(?:es)?\b | \bcontact\ person\b | \bgracia\b
    | \b(?:is\ this|am\ i\ (?:speaking|talking)\ (?:to|with)|hablo\ con|habla\ con|es\ usted|eres)\b
    | \bput\ (?:it|this|that)\ under\b | \bwho(?:se|m)?\b.*\b(?:under|for|on)\b
    | \by\ (?:usted|tu)\ (?:es|eres)\b | \band\ you(?:'re|\ are)\b
    | \b(?:certificate|badge|diploma|credential|gafete|credencial)\b | \bcomo\ (?:quiere|quieres)\ que\ aparezca
    | \b(?:como|how)\ .{0,12}(?:escribe|deletrea|spell)
    | \b(?:deletre\w+|spell)\b(?!.*\b(?:e?-?mail|correo|arroba|usuario)) | \bletra\ por\ letra | \bletter\ by\ letter
"""
_ADDRESS = r"""
    \baddress\b | \bdireccion\b | \bdomicilio\b | \bubica(?:cion|do|da)?\b | \bgps\b | \bzip\b | \bpostal\b | \bstreet\b
    | \bcalle\b | \bcolonia\b | \bwhere\ (?:do\ you\ live|should\ we\ (?:ship|deliver)|are\ you\ located)
    | \bwhere(?:'s|\ is)\ the\ (?:property|house|apartment|office|job|site) | \bpick\ (?:you|it|them|the\ \w+)\ up
    | \bwhere\ (?:are|would)\ we\ (?:install|deliver|send|ship) | \bdonde\ (?:hacemos|haremos|hariamos|instal\w+)\b
    | \b(?:apartment|apt|depto|departamento|interior)\b | \bnumero\ (?:de\ )?(?:interior|exterior|depto|departamento)\b
    | \bwhere\ (?:should|do|can|would|will)\ .{0,20}\ (?:go|come|install|deliver|visit)\b
    | \bdonde\ (?:les?|l[oa]s?|se\ l[oa]|te)\ (?:instal|entreg|visit|llev)\w+ | \ba\ que\ (?:calle|colonia)\b
    | \bcodigo\ postal\b | \bcruce\b | \bentre\ que\ calles\b | \bfraccionamiento\b | \bmunicipio\b
    | \bdonde\ (?:vives?|viven|te\ encuentras|se\ encuentra) | \b(?:recogemos|recogerlo|entregamos|entregarlo)\b
"""
_NUMBER = r"""
    \b(?:phone|telefono|cel|celular|movil|mobile|whatsapp|card|tarjeta|plastico|plastic|ssn|curp|rfc|dni|nie|iban
      |clabe|passport|pasaporte|id|cell|cellphone|landline|callback|amex|american\ express|visa|mastercard|cif|nss|ein
      |routing|order|pedido|contrato|contract|policy|membership|membresia|reference|referencia|cliente|identificador
      |identificacion|documento|matricula|folio|clave|licencia|license
      |expediente|extension|siniestro|claim|confirmation|confirmacion|tax|vat|account|cuenta|poliza|digits|digitos|cvv|pin|bloque)\b
    | \b(?:your|the|full|whole)\ social\b | \bcall\ (?:you|her|him|them)\b | \bseguro\ social\b | \bnumber\b(?!\ of)
    | \bnumero\b(?!\ de\ (?:personas|empleados|usuarios|licencias|invitados|agentes|hijos|sucursales))
    | \bends?\ in\b | \btermina(?:n|cion)\b | \b(?:door|gate|access|booking)\ code
    | \b(?:next|first|last|middle|primer[oa]s|siguientes|ultim[oa]s)
      \ (?:two|three|four|five|six|dos|tres|cuatro|cinco|seis)\b(?!\ [a-z])
    | \b(?:middle|first|second|last)\ (?:part|half|block)\b | \b(?:primera|segunda|ultima)\ parte\b
"""
_THINGS = {"birth_date": _BIRTH_DATE, "email": _EMAIL, "name": _NAME, "address": _ADDRESS, "number": _NUMBER}
_REQUEST = r"""
    \?
    | ^\W*(?:(?:and|so|ok|okay|y|entonces|bueno|perfecto|great|thanks|gracias)\W+)*
      (?:what|which|who|when|where|how|may|can|could|will|would
      |cual|cuando|donde|como|que|(?:con\ )?quien|(?:a|de|en)\ que)
    | \b(?:tell|give|confirm|provide|spell|share|verify|repeat|read|say)\ (?:me|us|your|it|that|the)\b | \bplease\b
    | \b(?:need|get|have|know)\ (?:your|the|a)\b | \blet\ me\ (?:have|get)\b
    | \bme\ (?:d[aie]\w{0,4}|regal\w+|compart\w+|confirm\w+|indic\w+|proporcion\w+|deletre\w+|repit\w+
      |pas[ae]\w*|falta\w*)\b
    | \b(?:dime|digame|dame|deme|necesito|quisiera|solicito|confirm[ae]\w+|indiqu?[ae]\w+|deletre\w+|compart[ae]\w+
      |regal[ae]\w+|proporcion\w+|repit\w+|dict[ae]\w+|pas[ae]me|complet[ae])\b
    | \bpor\ favor\b | \bes\ tan\ amable\b | \bgo\ ahead\b | \bready\ for\b | \badelante\b | \bcuando\ guste\b
    | ^\W*(?!(?:nice|good|great|lovely|thanks?|gracias|buen|bonito|lindo)\b)(?:\w+(?:\W+|$)){1,3}$
    | \bi'll\ need\b | \b(?:didn't|did\ not)\ (?:catch|get)\b | \ble\ pido\b | \bdict[ae]\b | \bfalta\b
    """
_OWN = re.compile(r"\b(?:my|our) (?:\w+ )?(?:name|email|number|phone)|\bmi (?:nombre|correo|numero|telefono)")
_SENTENCE = re.compile(r"[^.?!\n]+[.?!]*")
MOST_CHARACTERS = 600
"""The end of a message asks."""


def asked_for(agent_text: str) -> str:
    """Return what ``agent_text`` asks the customer for, in the last sentence that asks; "" where for none of these.

    "name", "email", "number" (of a phone, a card, an account or a document), "address" or "birth_date".

    >>> asked_for("Perfecto. ¿Me regala su correo, por favor?"), asked_for("How many users do you have?")
    ('email', '')
    """
    thing, request = _patterns()
    asked = ""
    for sentence in _SENTENCE.findall(plain(agent_text[-MOST_CHARACTERS:])):
        told = _OWN.sub(" ", sentence)
        if request.search(told) and (things := [match.lastgroup or "" for match in thing.finditer(told)]):
            # "The name on the card" is a name; only the address of an e-mail is something else.
            asked = "email" if things[0] == "address" and "email" in things else things[0]
    return asked


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Compiled when first needed: it takes as long as importing the rest."""
    things = "|".join(f"(?P<{thing}>{pattern})" for thing, pattern in _THINGS.items())
    return re.compile(things, re.VERBOSE), re.compile(_REQUEST, re.VERBOSE)
