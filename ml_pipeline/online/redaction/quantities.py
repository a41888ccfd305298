"""What explains a number, so that it stays: money, a unit, a year, a time, a date, a range."""

from collections.abc import Sequence
from itertools import pairwise

from ml_pipeline.online.redaction.number_runs import Piece, Run
from ml_pipeline.online.redaction.said import DIGITS, GROUPED, WORD, Said, phrases, words

MOST_COUNTED_DIGITS = 8
"""Of users, days or seats nobody writes more digits than these, unless grouped or round."""
MOST_DIGITS_OF_MONEY = 9
FEWEST_DIGITS = 4

_MONEY_SIGNS = frozenset("$€£¥")
_CURRENCIES = words(
    """
    usd eur mxn gbp us mx dolar dolares euro euros peso pesos
    """
)
_MONEY_AFTER = words(
    """
    usd eur euro euros mxn gbp peso pesos dollar dollars dolar dolares buck bucks cent cents centavos centimos
    pounds libras varos grand
    """
) | _MONEY_SIGNS  # fmt: skip
_UNITS = words(
    """
    % k km kms kg kgs g gr mg ml lb lbs oz cm mm m m2 ft mi mph gb mb tb hz kwh percent percentage porciento pct por
    per each cada x times veces monthly yearly annually weekly daily mensual mensuales anual anuales diarios diarias
    semanales seconds second segundos minute minutes min mins minuto minutos hour hours hrs hr hora horas day days
    dia dias week weeks semana semanas month months mes meses year years ano anos yr yrs decades am pm user users
    usuario usuarios people person persons persona personas employee employees empleado empleados worker workers
    trabajadores member members miembros socios agent agents agente agentes seat seats license licenses licence
    licences licencia licencias customer customers client clients cliente clientes patients pacientes student
    students alumnos estudiantes kids kid child children ninos ninas hijos family families familias company
    companies empresas store stores tiendas branch branches sucursales country countries paises city cities unit
    units unidad unidades piece pieces piezas item items articulos product products productos order orders pedidos
    call calls llamada llamadas message messages mensajes email emails correos lead leads visit visits visitas view
    views download downloads record records registros transaction transactions transacciones sale sales ventas
    contact contacts contactos word words palabras page pages paginas step steps pasos point points puntos mile
    miles kilometros millas meter meters metres metros feet foot inches pulgadas gram grams gramos kilo kilos
    kilograms liters litros calories calorias kcal square cuadrados volunteers donors donations followers seguidores
    tokens rows credits creditos shares acciones copies copias meals comidas packages packs paquetes boxes cajas
    watts volts asientos plazas megas mbps gigas rollos sillas mesas cars trucks autos coches camiones chairs tables
    """
)
MEASURES = _MONEY_AFTER | _UNITS
"""Money and units: a number beside one of them is an amount."""
_UNIT_PHRASES = phrases(
    """
    a day | a month | a piece | a week | a year | al ano | al dia | al mes | de dolares | de euros | de pesos | de
    usuarios | of them | por ciento
    """
)
_PRICE_CUES = words(
    """
    cost costs price prices priced pay pays paid paying budget worth spend spent earn raise raised donate donated
    cuesta cuestan costo coste costaba vale valen precio precios presupuesto pagar pago pague gasto gastar gasta
    cobran cobra salario sueldo salary income revenue
    """
)
_PRICE_LINKS = words(
    """
    is was es era de of about around like only solo unos como aproximadamente total a
    """
)
_PRODUCT_WORDS = words("model modelo version iso serie series windows office norma epson article articulo ley")
LONGEST_PRICE = 6
_YEAR_STARTS = frozenset({"19", "20"})
_TIME_BEFORE = words(
    """
    at las la around by before after until till hasta desde sobre
    """
)
_TIME_AFTER = frozenset(["am", "pm", "a", "p", "o'clock", "hrs", "horas"])


def unexplained(said: Said, run: Run, *, is_asked: bool) -> Run | None:
    """Return what of ``run`` money, a unit, a time or a year does not explain; None where nothing is left.

    ``is_asked``: the customer answers a question for a number, which no look of it as a year or a time explains.
    """
    pieces: Sequence[Piece] = run.pieces
    if _is_money_before(said, run.first):
        pieces = [] if _is_grouped(said, pieces) else pieces[_is_sum(pieces[0]) :]
    if pieces and _is_one_of(said, run.end, _MONEY_AFTER, _UNIT_PHRASES):
        is_amount = _is_grouped(said, pieces) or _is_quantity(pieces) or _is_range(said, pieces)
        pieces = [] if is_amount else _without_last_number(said, pieces)
    elif pieces and _is_one_of(said, run.end, _UNITS, _UNIT_PHRASES) and _is_counted(said, pieces):
        pieces = []
    if (
        not pieces
        or _is_plural(said, pieces)
        or sum(len(piece.digits) for piece in pieces if not piece.is_large) < FEWEST_DIGITS - is_asked
    ):
        return _dictated_in_thousands(pieces)
    if _follows(said, pieces, _PRODUCT_WORDS) or (not is_asked and _is_round(pieces)):
        return None
    if not is_asked and (_is_date_or_time(said, pieces) or _is_range(said, pieces) or _is_price(said, pieces)):
        return None
    return Run(list(pieces))


def _dictated_in_thousands(pieces: Sequence[Piece]) -> Run | None:
    """Three such numbers in a row are no price: "mil doscientos, cuatro mil cinco, seis mil uno"."""
    return Run(list(pieces)) if sum(piece.is_large for piece in pieces) >= 3 else None


def _is_money_before(said: Said, first: int) -> bool:
    return first > 0 and (said.words[first - 1].plain in _MONEY_SIGNS or said.words[first - 1].plain in _CURRENCIES)


def _is_plural(said: Said, pieces: Sequence[Piece]) -> bool:
    """Such as "1000s of kids", "the 1990's"."""
    at = pieces[-1].end
    is_many = len(pieces) == 1 and pieces[0].digits.endswith("0")
    return is_many and at < len(said.words) and said.is_tight(at) and said.words[at].plain in {"s", "'"}


def _is_one_of(said: Said, at: int, words: frozenset[str], phrases: frozenset[tuple[str, ...]]) -> bool:
    if at >= len(said.words):
        return False
    following = said.words[at + 1].plain if at + 1 < len(said.words) else ""
    if said.words[at].plain in {"mas", "more", "-", "full", "active", "other", "new", "different"}:
        return following in words and len(following) > 1
    return said.words[at].plain in words or (said.words[at].plain, following) in phrases


def _without_last_number(said: Said, pieces: Sequence[Piece]) -> Sequence[Piece]:
    for start in range(max(0, len(pieces) - 4), len(pieces) - 1):
        if _is_grouped(said, pieces[start:]):
            return pieces[:start]
    return pieces[:-1] if _is_sum(pieces[-1]) else pieces


def _is_sum(piece: Piece) -> bool:
    """Whether so much money may be meant: a card number is none, whatever stands beside it."""
    return len(piece.digits) <= MOST_DIGITS_OF_MONEY or piece.digits.endswith("000000")


def _is_quantity(pieces: Sequence[Piece]) -> bool:
    """Such as "Nineteen ninety nine dollars", "100-150 euros"."""
    return len(pieces) <= 2 and sum(len(piece.digits) for piece in pieces) <= LONGEST_PRICE


def _is_counted(said: Said, pieces: Sequence[Piece]) -> bool:
    digits = "".join(piece.digits for piece in pieces)
    if _is_grouped(said, pieces) or _is_range(said, pieces):
        return True
    is_round = len(pieces) == 1 and digits.endswith("000000")
    return is_round or (len(digits) <= MOST_COUNTED_DIGITS and len(pieces) <= 2)


def _is_grouped(said: Said, pieces: Sequence[Piece]) -> bool:
    """Whether these are one number in groups of three: "1 234 567", "1.234.567"."""
    if len(pieces) == 1:
        return said.words[pieces[0].first].kind == GROUPED
    return (
        len(pieces[0].digits) <= 3
        and all(len(piece.digits) == 3 for piece in pieces[1:])
        and all(said.words[piece.first].kind == DIGITS for piece in pieces)
        and all(piece.first == last.end for last, piece in pairwise(pieces))
    )


def _is_date_or_time(said: Said, pieces: Sequence[Piece]) -> bool:
    if all(_is_year(piece) for piece in pieces):
        return True
    digits = [piece.digits for piece in pieces]
    if len(pieces) == 2:
        return _is_spoken_year(said, pieces) or _is_time(said, pieces) or _is_size(said, pieces)
    if len(pieces) == 3:
        return _is_year(pieces[2]) and len(digits[0]) <= 2 >= len(digits[1]) and int(digits[0]) <= 31 >= int(digits[1])
    return False


def _is_year(piece: Piece) -> bool:
    return len(piece.digits) == 4 and piece.digits[:2] in _YEAR_STARTS


def _is_spoken_year(said: Said, pieces: Sequence[Piece]) -> bool:
    century, year = pieces
    is_spoken = said.words[century.first].kind == WORD
    return is_spoken and century.digits in _YEAR_STARTS and len(year.digits) == 2


def _is_time(said: Said, pieces: Sequence[Piece]) -> bool:
    """Such as "At ten thirty", "a las 11 45", "12 15 pm"; a quarter of an hour needs no such word."""
    hour, minute = (piece.digits for piece in pieces)
    if len(hour) != 2 or len(minute) != 2 or int(hour) > 23 or int(minute) > 59:
        return False
    before = said.words[pieces[0].first - 1].plain if pieces[0].first else ""
    after = said.words[pieces[1].end].plain if pieces[1].end < len(said.words) else ""
    is_quarter = int(hour) <= 12 and minute in {"15", "30", "45"}
    return is_quarter or before in _TIME_BEFORE or after in _TIME_AFTER


def _is_size(said: Said, pieces: Sequence[Piece]) -> bool:
    """Such as "14 x 30"."""
    return said.plains[pieces[0].end : pieces[1].first] in (["x"], ["by"], ["por"])


def _is_range(said: Said, pieces: Sequence[Piece]) -> bool:
    """Such as "500-1000", from one round number to a greater one; "70/30"."""
    if len(pieces) != 2 or any(said.words[piece.first].kind not in {DIGITS, GROUPED} for piece in pieces):
        return False
    low, high = (int(piece.digits[:18]) for piece in pieces)
    is_dashed = pieces[1].first - pieces[0].end == 1 and said.words[pieces[0].end].plain in {"-", "\u2013", "/"}
    is_share = max(low, high) < 100
    return is_dashed and (is_share or (0 < low < high and low % 10 == 0 == high % 100))


def _is_round(pieces: Sequence[Piece]) -> bool:
    """Such as "los 1000", "1200 by December"."""
    return len(pieces) == 1 and len(pieces[0].digits) <= LONGEST_PRICE and pieces[0].digits.endswith("00")


def _follows(said: Said, pieces: Sequence[Piece], words: frozenset[str]) -> bool:
    first = pieces[0].first
    digits = sum(len(piece.digits) for piece in pieces)
    return digits <= LONGEST_PRICE and not words.isdisjoint(said.plains[max(0, first - 2) : first])


def _is_price(said: Said, pieces: Sequence[Piece]) -> bool:
    """Such as "It costs about 2500", "el precio es de 4800"."""
    if len(pieces) > 1 or len(pieces[0].digits) > LONGEST_PRICE:
        return False
    at = pieces[0].first - 1
    while at >= 0 and pieces[0].first - at <= 3 and said.words[at].plain in _PRICE_LINKS:
        at -= 1
    return at >= 0 and said.words[at].plain in _PRICE_CUES
