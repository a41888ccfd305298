import csv
import gzip
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.online.redaction import Hint, asked_for, customer_names, introduced_names, redact

MASKED = {
    "write to ana.ruiz+x@mail.co.mx today": "write to <EMAIL> today",
    "josé@ejemplo.es y x_1@a-b.org.": "<EMAIL> y <EMAIL>.",
    "call me at (555) 123-4567 please": "call me at <PHONE> please",
    "mi cel es 55 1234 5678": "mi cel es <PHONE>",
    "5512345678": "<PHONE>",
    "+52 1 55 1234 5678 ok": "<PHONE> ok",
    "llámame al 612 34 56 78": "llámame al <PHONE>",
    "612345678, gracias": "<PHONE>, gracias",
    "+34 612 345 678": "<PHONE>",
    "1.800.728.3843": "<PHONE>",
    "+1 (415) 555-2671 / +44 20 7946 0958": "<PHONE> / <PHONE>",
    "it is 555-1234": "it is <PHONE>",
    "4111 1111 1111 1111 exp 12/25": "<CARD> exp 12/25",
    "4111-1111-1111-1111": "<CARD>",
    "378282246310005": "<CARD>",
    "ssn 123-45-6789": "ssn <ID>",
    "CURP GODE561231HDFABC09 y RFC gode561231gr8": "CURP <ID> y RFC <ID>",
    "dni 12345678Z, 12.345.678-Z, nie X1234567L": "dni <ID>, <ID>, nie <ID>",
    "ES91 2100 0418 4502 0005 1332 is my account": "<ID> is my account",
    "GB82WEST12345698765432": "<ID>",
    "reference 123456789012345": "reference <NUMBER>",
    # Neither what follows a number nor what precedes it explains away a contact.
    "call me at +1 415 555 4543 people tell me": "call me at <PHONE> people tell me",
    "call 555-123-4567 users": "call <PHONE> users",
    "mi cel 55 12 34 56 78 personas": "mi cel <PHONE> personas",
    "5551234567 people, 14111111111111111 people": "<PHONE> people, <NUMBER> people",
    "12/05/2024 555-123-4567, 12/05/2024 612345678": "12/05/2024 <PHONE>, 12/05/2024 <PHONE>",
    "+1 415 555 4543 12/05/2024, +1 415 555 4543 10:30": "<PHONE> 12/05/2024, <PHONE> 10:30",
    "$2,700 415 555 2671 or 4155552671 200 dollars": "$2,700 <PHONE> or <PHONE> 200 dollars",
    "1 4111 1111 1111 1111, 2024 4111-1111-1111-1111": "1 <CARD>, 2024 <CARD>",
    "5512345678+34 612 345 678": "<PHONE><PHONE>",
    "llámame al 612 345 678": "llámame al <PHONE>",
}

SPOKEN = {
    "mi cel es cinco cinco doce treinta y cuatro cincuenta y seis setenta y ocho": "mi cel es <PHONE>",
    "es el cinco cinco uh uno dos este tres cuatro guion cinco seis siete ocho": "es el <PHONE>",
    "five five five oh one two three thanks": "<NUMBER> thanks",
    "call four one five, five five five, two six seven one": "call <PHONE>",
    "área 55 doce treinta y cuatro 56 78 gracias": "área <PHONE> gracias",
    "termina en doble cinco triple dos": "termina en <NUMBER>",
    "double five double oh one": "<NUMBER>",
    "it is thirty three forty four": "it is <NUMBER>",
    "seiscientos doce treinta y cuatro cincuenta y seis setenta y ocho": "<PHONE>",
    "plus fifty two fifty five twelve thirty four fifty six seventy eight": "<PHONE>",
    "four one one one one one one one one one one one one one one one": "<CARD>",
    "my ssn is one two three dash four five dash six seven eight nine": "my ssn is <ID>",
    "dni uno dos tres cuatro cinco seis siete ocho zeta": "dni <ID>",
    "e s nine one two one zero zero zero four one eight four five zero two zero zero zero five one three three two":
        "<ID>",
    "curp g o d e cinco seis uno dos tres uno h d f a b c cero nueve": "curp <ID>",
    "placas a b c guion uno dos tres cuatro": "placas <NUMBER>",
    "ana punto lopez arroba gmail punto com gracias": "<EMAIL> gracias",
    "ana lopez at hot mail dot com": "<EMAIL>",
    "a n a guion bajo ochenta y cinco arroba outlook punto com punto mx": "<EMAIL>",
    "it's a n a underscore l at icloud dot com thanks": "it's <EMAIL> thanks",
    "me llamo ana lopez y quiero saber el precio": "me llamo <NAME> y quiero saber el precio",
    "hola habla roberto de la garza": "hola habla <NAME>",
    "my name is john o'brien smith calling about the plan": "my name is <NAME> calling about the plan",
    "this is xandria speaking": "this is <NAME> speaking",
    "soy diabético y soy nuevo": "soy diabético y soy nuevo",
    "i'm sorry this is great": "i'm sorry this is great",
    "vivo en calle reforma número ciento doce colonia roma norte código postal cero seis siete cero cero gracias":
        "vivo en <ADDRESS> gracias",
    "we are at one two three main street apartment four b": "we are at <ADDRESS>",
    "mi código postal es 28013": "mi código postal es <ADDRESS>",
    "nací el doce de mayo de mil novecientos ochenta y cinco": "nací <BIRTH_DATE>",
    "i was born may twelfth nineteen eighty five": "i was born <BIRTH_DATE>",
    "q u i n t e r o": "<NAME>",
    "try two oh six and the rest is eight one four three three nine seven": "try <PHONE>",
    "el cinco cinco luego doce treinta y cuatro espera cincuenta y seis setenta y ocho": "el <PHONE>",
    "the card ends in nine oh four": "the card ends in <CARD>",
    "meet me at the corner of maple and fifth": "meet me at the corner of <ADDRESS>",
    "we are at forty one old quarry road": "we are at <ADDRESS>",
    "es la manzana cuatro lote doce": "es la <ADDRESS>",
    "my son was born october let me think the thirtieth in two thousand eleven": "my son was born <BIRTH_DATE>",
    "k de kilo a r l a": "<NAME>",
    "k w i a t k o w s k i kwiatkowski": "<NAME> <NAME>",
    "mi suegra eduviges lo paga": "mi suegra <NAME> lo paga",
    "office at grace fellowship dot church": "<EMAIL>",
    "reference p as in paul four four oh one six": "reference <NUMBER>",
    "account number seven seven one then b as in boy then six six two": "account number <NUMBER>",
    "plate is seven kilo romeo lima four two two": "plate is <NUMBER>",
    "mi placa es equis erre te cuatro cinco uno": "mi placa es <NUMBER>",
    "call six one nine double four seven two one one eight extension twelve": "call <PHONE> <PHONE>",
    "pida la extensión treinta y uno": "pida la extensión <PHONE>",
    "it's katie with a k at gmail dot com": "it's <EMAIL>",
    "nací un nueve de octubre": "nací <BIRTH_DATE>",
    "vivimos en el fraccionamiento real del mezquite": "vivimos en <ADDRESS>",
    "i'm booked under vandersloot": "i'm booked under <NAME>",
}  # fmt: skip

KEPT = [
    "costs $1.234.567, or 1234567 pesos, or 1,234,567.89",
    "2,700 dollars a year, 12 x 225 USD",
    "from 2010-2015 to 2020",
    "on 12/05/2024 at 10:30, on 2024-01-15 10:30:00, at 2024-01-15T10:30:00+00:00",
    "I have 100000 users and 3.141592653589793 pies",
    "lat 19.432608",
    "10000000 a month",
    "1000000000 users, 150000000 people, +100000 users, 100-1500 people",
    "612.345.678 pesos, 612 345 678 personas, $612.345.678, 123456789 usd",
    "between 100.000.000 - 600.000.000 pesos",
    "500-1000 or 70/30 of it",
    "on 22 12 2024 10:30",
    "son dos mil quinientos pesos, somos trescientos empleados",
    "nineteen ninety nine dollars in twenty twenty four",
    "el precio es de 4800, it costs about 2500",
    "a las diez treinta, at eleven forty five",
    "1000s of kids in the 1990's",
    "see 0b9c3c9e-8c1b-4e39-9c4f-123456789012",
    "at @home or foo@localhost",
    "salgo a la calle a las diez",
    "the extension cord is 12 feet, an extension of two weeks, extension 12 feet long",
    "i stayed at the hotel two nights, our golf club opens in november",
    "son cuatro kilos de tortilla, un kilo y dos litros",
    "",
]


@pytest.mark.parametrize(("text", "expected"), (MASKED | SPOKEN).items())
def test_what_reaches_or_names_a_person_is_masked(text, expected):
    assert redact(text) == expected


@pytest.mark.parametrize("text", KEPT)
def test_prices_dates_quantities_and_ids_of_machines_stay(text):
    assert redact(text) == text


@pytest.mark.parametrize("text", [*MASKED, *SPOKEN, *KEPT])
def test_masking_twice_is_masking_once(text):
    assert redact(redact(text)) == redact(text)


FRAGMENTS = " ".join([*MASKED, *SPOKEN, *SPOKEN.values(), *KEPT]).split(" ")


@given(
    st.lists(st.tuples(st.sampled_from(FRAGMENTS), st.sampled_from([" ", " ", ""]))),
    st.builds(
        Hint,
        language=st.sampled_from(["", "es", "en"]),
        names=st.sampled_from([(), ("Ana López",)]),
        asked=st.sampled_from(["", "name", "email", "number", "address", "birth_date"]),
    ),
)
def test_masking_twice_is_masking_once_however_words_are_strung_together(fragments, hint):
    masked = redact("".join(word + gap for word, gap in fragments), hint)

    assert redact(masked, hint) == masked


@given(st.text(max_size=60), st.sampled_from(["", "name", "number"]))
def test_no_text_breaks_it(text, asked):
    masked = redact(text, Hint(asked=asked))

    assert redact(masked, Hint(asked=asked)) == masked


@pytest.mark.parametrize("language", ["", "es", "en"])
def test_a_known_language_finds_what_both_find_in_it(language):
    spanish = "mi correo es ana arroba gmail punto com y mi cel cinco cinco uno dos tres cuatro"
    english = "mail ana at gmail dot com or call five five one two three four"

    found = [redact(text, Hint(language)) for text in (spanish, english)]

    assert ("<EMAIL>" in found[0] and "<NUMBER>" in found[0].replace("PHONE", "NUMBER")) or language == "en"
    assert ("<EMAIL>" in found[1] and "<NUMBER>" in found[1].replace("PHONE", "NUMBER")) or language == "es"


@pytest.mark.parametrize(
    ("asked", "answer", "expected"),
    [
        ("name", "xandria quill", "<NAME>"),
        ("name", "no gracias", "no gracias"),
        ("name", "why do you need it?", "why do you need it?"),
        ("email", "ana lopez gmail", "<EMAIL>"),
        ("number", "six six four", "<NUMBER>"),
        ("number", "5512 34 56 78", "<PHONE>"),
        ("number", "20 dollars", "20 dollars"),
        ("address", "reforma doce", "<ADDRESS>"),
        ("birth_date", "12 5 85", "<BIRTH_DATE>"),
        ("birth_date", "in june", "<BIRTH_DATE>"),
        ("birth_date", "three fourteen pi day", "<BIRTH_DATE>"),
        ("birth_date", "may i ask why", "may i ask why"),
        ("", "xandria quill", "xandria quill"),
    ],
)
def test_a_short_answer_to_what_was_asked_for_is_masked_whole(asked, answer, expected):
    assert redact(answer, Hint(asked=asked)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ok XANDRIA, xandria's fine", "ok <NAME>, <NAME> fine"),
        ("gracias señora Gálvez", "gracias señora <NAME>"),
        ("the price is fine", "the price is fine"),
        ("Dear Price", "Dear <NAME>"),
    ],
)
def test_names_in_the_customers_data_are_masked_where_they_stand_as_names(text, expected):
    assert redact(text, Hint(names=("Xandria Galvez", "Price"))) == expected


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        ("¿Me regala su nombre completo?", "name"),
        ("Con quién tengo el gusto?", "name"),
        ("What's the best email to reach you?", "email"),
        ("Could you confirm your email address?", "email"),
        ("Dígame su número de teléfono, por favor.", "number"),
        ("What are the last four digits of your card?", "number"),
        ("¿Cuál es su domicilio?", "address"),
        ("When were you born?", "birth_date"),
        ("Número de póliza.", "number"),
        ("What's your apartment number?", "address"),
        ("¿Cómo se apellida?", "name"),
        ("My name is Sofía, I call from Acme. How are you?", ""),
        ("How many users do you have?", ""),
        ("What is the name of your company?", ""),
        ("¿Cuál es el número de empleados?", ""),
        ("", ""),
    ],
)
def test_what_an_agent_asks_for_is_told_from_its_message(message, asked):
    assert asked_for(message) == asked


def test_names_of_customers_are_read_from_the_fields_of_names():
    data = {
        "firstName": "Ana",
        "last_name": "López",
        "name": {"first": "Eva"},
        "username": "x",
        "company_name": "Acme",
        3: 1,
    }

    assert customer_names(data) == ("Ana", "López", "Eva")
    assert customer_names(None) == customer_names(["Ana"]) == ()


def test_a_name_somebody_introduces_is_told():
    assert introduced_names("buenas, me llamo Ana López. ¿precio?") == ("Ana López",)
    assert introduced_names("soy nuevo en esto") == ()


ENDLESS = {
    "digits": "1", "spoken digits": "cinco ", "dashes": "1-", "at signs": "a@", "dots": "a.", "accounts": "AB12 ",
    "separators": "guion ", "spoken dots": "punto ", "spoken at signs": "arroba ", "letters": "q ",
    "letters that are words": "a ", "hundreds": "five hundred ", "thousands": "mil ", "introductions": "me llamo ",
    "names": "ana ", "names in capitals": "Ana ", "streets": "calle ", "streets behind numbers": "5 x street ",
    "living": "vivo en ", "months": "mayo ", "dates": "5 de mayo ", "born": "born 5 ", "brackets": "(+",
    "commas": "5, ", "hesitations": "5 uh uh ", "pieces": "5 uh guion q a ver ", "cards": "4111 ", "unknown": "zzyx ",
}  # fmt: skip


@pytest.mark.parametrize("piece", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("asked", ["", "email", "address"])
def test_four_times_the_text_takes_hardly_more_than_four_times_as_long(piece, asked):
    short, long = (piece * (length // len(piece)) for length in (5_000, 20_000))

    cost = {text: min(cpu_seconds(text, Hint(asked=asked)) for _ in range(3)) for text in (short, long)}

    assert cost[long] < 9 * cost[short], "what grows with the square takes sixteen times as long"


def cpu_seconds(text, hint):
    started = time.thread_time()
    redact(text, hint)
    return time.thread_time() - started


def share_touched(texts):
    return sum(redact(text) != text for text in texts) / len(texts)


def test_few_messages_of_real_persuasion_dialogues_are_touched(persuasion):
    with gzip.open(persuasion / "full_dialog.csv.gz", "rt", encoding="utf-8") as lines:
        texts = [row["Unit"] for row in csv.DictReader(lines)]

    # 329 of 20,932, most of them names: the customers' own, of actors, of storms.
    assert 0.005 < share_touched(texts) < 0.02


def test_hardly_a_message_of_real_negotiations_is_touched(casino):
    with gzip.open(casino / "casino_train.json.gz", "rt", encoding="utf-8") as file:
        texts = [said["text"] for dialogue in json.load(file) for said in dialogue["chat_logs"]]

    assert len(texts) > 10_000
    assert share_touched(texts) < 0.007
