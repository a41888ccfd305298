"""Words of postal addresses, in plain form."""

from ml_pipeline.online.redaction.said import phrases, words

STREETS_BEFORE = words(
    """
    calle avenida av avda ave calzada calz bulevar boulevard blvd privada priv cerrada callejon andador paseo plaza
    plazuela carretera camino ronda rambla travesia glorieta prolongacion circuito autopista libramiento periferico
    viaducto eje via pasaje vereda malecon costanera alameda cuesta retorno rinconada rua carrer passeig avinguda
    kalea c route highway hwy
    """
)
"""Kinds of street that stand before its name, as in Spanish."""

QUARTERS = words(
    """
    colonia col fraccionamiento fracc barrio urbanizacion urb residencial delegacion alcaldia poligono conjunto
    condominio unidad habitacional sector
    """
)

STREETS_AFTER = words(
    """
    street st avenue ave road rd drive dr lane ln boulevard blvd court ct place pl terrace way circle parkway pkwy
    highway hwy trail square loop crossing pike turnpike alley path bend cove hollow ridge heights commons mews
    crescent row walk
    """
)
"""Kinds of street that stand behind its name, as in English."""

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
    | ubicado en | vive en | vivimos en | vivo en | we're at
    """
)
"""What an address follows."""

DELIVERY = words(
    """
    vivo vive vivimos viven live lives living moved move moving deliver delivery delivered ship shipping send sent
    mail mailed drop pick picked courier envio envia envien enviar entrega entregan entregar entregaron manda mandar
    manden recoger recogen recoge recojan recojanla recojanlo paquete package direccion domicilio address located
    ubicada ubicado queda esta casa house home property oficina office bodega warehouse meet mudanza mudo inmueble
    apartment departamento piso building edificio driver chofer taxi uber visita visiten envielo mandelo facturas
    invoices
    """
)
"""Where one of these is said, a name and a number beside each other are taken for a street."""
