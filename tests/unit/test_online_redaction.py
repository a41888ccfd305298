import csv
import gzip
import json
import time

import pytest

from ml_pipeline.online.redaction import redact

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
    "reference 123456789012345": "reference <ID>",
    # Neither what follows a number nor what precedes it explains away a contact.
    "call me at +1 415 555 4543 people tell me": "call me at <PHONE> people tell me",
    "call 555-123-4567 users": "call <PHONE> users",
    "mi cel 55 12 34 56 78 personas": "mi cel <PHONE> personas",
    "5551234567 people, 14111111111111111 people": "<PHONE> people, <ID> people",
    "12/05/2024 555-123-4567, 12/05/2024 612345678": "12/05/2024 <PHONE>, 12/05/2024 <PHONE>",
    "+1 415 555 4543 12/05/2024, +1 415 555 4543 10:30": "<PHONE> 12/05/2024, <PHONE> 10:30",
    "$2,700 415 555 2671 or 4155552671 200 dollars": "$2,700 <PHONE> or <PHONE> 200 dollars",
    "1 4111 1111 1111 1111, 2024 4111-1111-1111-1111": "1 <CARD>, 2024 <CARD>",
    "5512345678+34 612 345 678": "<PHONE><PHONE>",
    "llámame al 612 345 678": "llámame al <PHONE>",
}

KEPT = [
    "costs $1.234.567, or 1234567 pesos, or 1,234,567.89",
    "2,700 dollars a year, 12 x 225 USD",
    "from 2010-2015 to 2020",
    "on 12/05/2024 at 10:30, on 2024-01-15 10:30:00",
    "10 20 30 40 50 60",
    "I have 100000 users and 3.141592653589793 pies",
    "lat 19.432608",
    "ip 192.168.100.200",
    "order 4512 of 2023, room 12345",
    "10000000 a month",
    "1000000000 users, 150000000 people, +100000 users, 100-1500 people",
    "612.345.678 pesos, 612 345 678 personas, $612.345.678, 123456789 usd",
    "between 100.000.000 - 600.000.000 pesos",
    "100 200 3000, 10 20 30 40 50 users",
    "on 22 12 2024 10:30, 2024-2025 100000-200000 users",
    "see 0b9c3c9e-8c1b-4e39-9c4f-123456789012",
    "at @home or foo@localhost",
    "",
]


@pytest.mark.parametrize(("text", "expected"), MASKED.items())
def test_what_reaches_or_names_a_person_is_masked(text, expected):
    assert redact(text) == expected


@pytest.mark.parametrize("text", KEPT)
def test_prices_dates_quantities_and_ids_of_machines_stay(text):
    assert redact(text) == text


@pytest.mark.parametrize("text", [*MASKED, *KEPT])
def test_masking_twice_is_masking_once(text):
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("text", ["1" * 20_000, "1-" * 10_000, "a@" * 10_000, "a." * 10_000 + "@", "AB12 " * 4_000])
def test_no_text_takes_long(text):
    redact("5512345678")  # the libraries load once
    started = time.perf_counter()

    redact(text)

    assert time.perf_counter() - started < 1.0


def share_touched(texts):
    return sum(redact(text) != text for text in texts) / len(texts)


def test_hardly_a_message_of_real_persuasion_dialogues_is_touched(persuasion):
    with gzip.open(persuasion / "full_dialog.csv.gz", "rt", encoding="utf-8") as lines:
        texts = [row["Unit"] for row in csv.DictReader(lines)]

    # 4 of 20,932: the charity's own phone numbers and one customer's e-mail.
    assert 0 < share_touched(texts) < 0.0005


def test_no_message_of_real_negotiations_is_touched(casino):
    with gzip.open(casino / "casino_train.json.gz", "rt", encoding="utf-8") as file:
        texts = [said["text"] for dialogue in json.load(file) for said in dialogue["chat_logs"]]

    assert len(texts) > 10_000
    assert share_touched(texts) == 0
