"""Words of postal addresses, in plain form."""

from ml_pipeline.online.redaction.said import phrases, words

STREETS_BEFORE = words(
    """
    calle avenida av avda ave calzada calz bulevar boulevard blvd privada priv cerrada callejon andador paseo plaza
    plazuela carretera camino ronda rambla travesia glorieta prolongacion circuito autopista libramiento periferico
    viaducto eje via pasaje vereda malecon costanera alameda cuesta retorno coto pasillo travesera bajada subida
    rinconada rua carrer passeig avinguda kalea c route highway hwy
    """
)
"""Kinds of street that stand before its name, as in Spanish."""

QUARTERS = words(
    """
    colonia col fraccionamiento fracc barrio urbanizacion urb residencial delegacion alcaldia poligono conjunto
    condominio unidad habitacional sector edificio
    """
)

QUARTER_OPENINGS = words("real nueva nuevo gran buena alta alto puerta primera segunda central bella")
"""Anybody says these beside, but with a name they are one of a quarter: "fraccionamiento real del mezquite"."""

STREETS_AFTER = words(
    """
    street st avenue ave road rd drive dr lane ln boulevard blvd court ct pl terrace circle parkway pkwy
    highway hwy trail square crossing turnpike alley cove hollow ridge heights commons mews
    crescent grove view trace glen landing creek meadow meadows bluff knoll crest
    """
)
MAYBE_STREETS = words("row walk run pass way path pike loop bend place")
"""Kinds of street where a capital or talk of a delivery says so."""
"""Kinds of street that stand behind its name, as in English."""

ORDINALS = words(
    """
    second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth
    sixteenth seventeenth eighteenth nineteenth twentieth
    """
)
"""Names of streets that are counted; a date is told with its month."""

NAMELY_NUMBERED = words("number numero num no nº #")
NO_STREETS = words(
    """
    a an the my your our his her their this that these those of to for from with without at in on by about into is are
    was were be been am do does did have has had and or but so if then than when where who what how i you he she it we
    they me us him them not no yes just only all any some every each more most per ago over under off out up down get
    got take took takes make want need like think know see two three one way left right good bad same next last other
    minutes minute hours days weeks months years people times dollars percent
    """
)
"""Words that stand in no name of a street; others that anybody says may: "forty one old quarry road"."""
SURE_STREETS = words(
    "street st avenue ave road rd drive lane ln boulevard blvd court highway hwy parkway circle terrace"
)

DIRECTIONS = words(
    "north south east west norte sur este oeste poniente oriente northeast northwest southeast southwest"
)

PARTS = DIRECTIONS | words(
    """
    apt apartment suite ste unit floor piso puerta portal departamento depto dpto apartamento interior int exterior
    ext numero num no nº lote manzana mz edificio torre casa bloque escalera # esquina entre izquierda derecha cp
    zip postal codigo code planta building bldg p po box nw ne sw se parcela local nave atico bajo sotano lofts loft
    level km kilometro room altos interior modulo oficina office tower entrada number
    """
)
"""What belongs to an address beside streets, names and numbers."""

POSTAL_CODES = phrases(
    """
    c p | codigo postal | postal code | zip code
    """
)
POSTAL_CODE_WORDS = words("cp zip zipcode postcode")

LIVING = phrases(
    """
    address is | address it's | casa es | deliver to | delivered to | direccion de | direccion es | domicilio en |
    domicilio es | entregan en | entregar en | enviar a | envielo a | envien a | envio a | estamos en | estoy en |
    goes to | home is | house is | i'm at | it to | live at | live on | lives at | living at | located at | mandar a
    | mandelo a | manden a | moved to | queda en | recoger en | reside at | send to | sent to | ship to | ubicada en
    | ubicado en | vive en | vivimos en | vivo en | we're at | we're on | i'm on | siguen en | sigue en | seguimos
    en | sigo en | estan en | esta en | cambie a | cambiamos a | mude a | mudamos a | off of | lives on | based at |
    based in
    """
)
"""What an address follows."""

DELIVERY = words(
    """
    vivo vive vivimos viven live lives living moved move moving deliver delivery delivered ship shipping send sent
    mail mailed drop pick picked courier envio envia envien enviar entrega entregan entregar entregaron entreguelo
    entreguen dejelo dejenlo dejen manda mandar manden recoger recogen recoge recojan recojanla recojanlo paquete
    package direccion domicilio address located ubicada ubicado queda esta casa house home property oficina office
    bodega warehouse meet mudanza mudo inmueble apartment departamento piso building edificio driver chofer taxi
    uber visita visiten envielo mandelo facturas invoices
    """
)
"""Where one of these is said, a name and a number beside each other are taken for a street."""
