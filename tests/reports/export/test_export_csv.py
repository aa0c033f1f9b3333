"""The text of the file, cell by cell (E)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from reports.export.filters import ExportFilters
from reports.export.write import ExportOptions, write_export
from tests.wide_learners import learners_follow_the_fact

Export = Callable[..., str]

RFC4180_FRENCH = "\r\n".join(
    [
        'Nom,Prénom,E-mail,\'=1+1,"Dossier ""n°""; suite",Email,Entrée,Site,Site,Informations complémentaires,'
        "Étiquettes,Session,ID de session,Modèle de programme,ID du modèle de programme,Cours,Connecté le,"
        "Déconnecté le,Temps passé",
        # 00:30:10 to 01:30:05 UTC: in Paris 02:30 in summer time to 02:30 in winter time, one real hour later.
        'DUPONT,Anaïs,anais.dupont@exemple.fr,,D-1,,01/09/2025,Lille,,,"apprenti, Équipe 2","Bureautique, automne",S9,'
        "Bureautique,T1,Excel,25/10/2026 02:30,25/10/2026 02:30,00:01:00",
        # Open.
        'DUPONT,Anaïs,anais.dupont@exemple.fr,,D-1,,01/09/2025,Lille,,,"apprenti, Équipe 2","Bureautique, automne",S9,'
        "Bureautique,T1,Excel,25/10/2026 23:59,,",
        # One instant: session S9 before S10, course C9 before C10.
        'DUPONT,Anaïs,anais.dupont@exemple.fr,,D-1,,01/09/2025,Lille,,,"apprenti, Équipe 2","Bureautique, automne",S9,'
        "Bureautique,T1,Excel,02/11/2026 09:00,02/11/2026 09:30,00:00:30",
        'DUPONT,Anaïs,anais.dupont@exemple.fr,,D-1,,01/09/2025,Lille,,,"apprenti, Équipe 2","Bureautique, automne",S9,'
        "Bureautique,T1,Word,02/11/2026 09:00,02/11/2026 10:00,00:01:00",
        'DUPONT,Anaïs,anais.dupont@exemple.fr,,D-1,,01/09/2025,Lille,,,"apprenti, Équipe 2","Bureautique, automne",S10,'
        "Bureautique,T1,Excel,02/11/2026 09:00,02/11/2026 09:01,00:00:01",
        # The same name, case and accents apart, but U100 comes after U99. Zero seconds.
        'Dupont,anais,a.dupont@exemple.fr,,,,,,Arras,,,"Bureautique, automne",S10,Bureautique,T1,Excel,'
        "25/10/2026 00:00,25/10/2026 00:00,00:00:00",
        # É stands with E. A hundred days.
        'Élan,Zoé,zoe@exemple.fr,,,,,,,"ligne 1\r\nligne 2","\'-5 %, b","Bureautique, automne",S9,Bureautique,T1,Excel,'
        "01/07/2026 02:00,09/10/2026 03:01,100:01:01",
        # Nothing runs as a formula. 00:59:59 to 01:01:00 UTC: the hour from 2 to 3 does not exist.
        'Fauré,"\'=HYPERLINK(""x"")",,\'=2,"""",\'\tperso,02/01/0987,\'@,\'+1,"seul\rretour",a;b,\'@distance,\'+33,'
        '"Vente; ""conseil""",\'-T2,\'-Oral,29/03/2026 01:59,29/03/2026 03:01,00:00:02',
        # Blanks last.
        ',,Anonyme@Exemple.fr,,,,,,,\'-,,"Bureautique, automne",S9,Bureautique,T1,Excel,'
        "24/10/2026 23:59,25/10/2026 00:00,00:00:01",
        "",
    ]
)


def test_the_whole_file_in_rfc4180_and_french(export: Export) -> None:
    text = export(ExportOptions(dialect="rfc4180", language="fr"))

    assert text == RFC4180_FRENCH


def test_decimal_hours_stand_at_the_end_where_they_are_asked_for(export: Export) -> None:
    """Written as each dialect's readers read them, with decimals enough that a sum is right to the second."""
    for dialect, sign, mark in (("excel", ",", ";"), ("rfc4180", ".", ",")):
        text = export(ExportOptions(dialect=dialect, decimal_hours=True))  # type: ignore[arg-type]
        header, *lines = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=mark)
        assert header[-2:] == ["Time spent", "Time spent (hours)"]
        assert [line[-1].replace(sign, ".") for line in lines] == [
            "1", "", "0.5", "1", "0.0166666667", "0", "2401.0166666667", "0.0333333333", "0.0166666667",
        ]  # fmt: skip
        assert not any("." in line[-1] for line in lines) or sign == "."


def test_the_excel_dialect_has_a_byte_order_mark_semicolons_and_crlf(export: Export) -> None:
    text = export(sessions=["S10"], custom_fields=["CF2"])

    assert text == (
        '\ufeffLast name;First name;Email;"Dossier ""n°""; suite";Additional information;Labels;Session;Session ID;'
        "Program template;Program template ID;Course;Connected;Disconnected;Time spent\r\n"
        "DUPONT;Anaïs;anais.dupont@exemple.fr;D-1;;apprenti, Équipe 2;Bureautique, automne;S10;Bureautique;T1;Excel;"
        "02/11/2026 09:00;02/11/2026 09:01;00:00:01\r\n"
        "Dupont;anais;a.dupont@exemple.fr;;;;Bureautique, automne;S10;Bureautique;T1;Excel;"
        "25/10/2026 00:00;25/10/2026 00:00;00:00:00\r\n"
    )


@pytest.mark.parametrize(("dialect", "delimiter"), [("excel", ";"), ("rfc4180", ",")])
def test_python_reads_back_every_cell(export: Export, dialect: str, delimiter: str) -> None:
    text = export(ExportOptions(dialect=dialect)).removeprefix("\ufeff")  # type: ignore[arg-type]

    records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))

    assert [len(record) for record in records] == [19] * 10
    assert records[0][3:9] == ["'=1+1", 'Dossier "n°"; suite', "Email", "Entrée", "Site", "Site"]
    assert records[7][9:11] == ["ligne 1\r\nligne 2", "'-5 %, b"]
    assert records[8][1] == '\'=HYPERLINK("x")'
    assert records[8][4] == '"'
    assert records[8][9] == "seul\rretour"


def test_without_a_line_the_header_stands_alone(published: Path, tmp_path: Path) -> None:
    output = tmp_path / "nothing.csv"

    summary = write_export(
        published,
        output,
        ExportFilters(users=("U10",), custom_fields=("CF5",)),
        ExportOptions(dialect="rfc4180"),
    )

    assert output.read_bytes().decode() == (
        "Last name,First name,Email,Site,Additional information,Labels,Session,Session ID,Program template,"
        "Program template ID,Course,Connected,Disconnected,Time spent\r\n"
    )
    assert (summary.rows, summary.learners, summary.sessions) == (0, 0, 0)


@pytest.mark.parametrize(
    ("title", "header"),
    [
        ("+33", "'+33"),
        ("-", "'-"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\rx", '"\'\rx"'),
        ("a\nb", '"a\nb"'),
        ("Prénom 😀", "Prénom 😀"),
        ("x'; drop table dim_learners; --", '"x\'; drop table dim_learners; --"'),
        ("%s $b {0}", "%s $b {0}"),
        ("é" * 300, "é" * 300),
    ],
)
def test_any_title_is_a_column(tmp_path: Path, published_sql: str, title: str, header: str) -> None:
    warehouse = tmp_path / "opco.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(published_sql)
        connection.execute("delete from dim_custom_fields")
        connection.execute("insert into dim_custom_fields values ('CF', ?, 'string', ?, 1)", [title, title])
        column = title.replace('"', '""')
        connection.execute(f'alter table fct_opco_connections add column "{column}" varchar')
        connection.execute(f"update fct_opco_connections set \"{column}\" = 'x'")
        learners_follow_the_fact(connection)

    write_export(warehouse, tmp_path / "export.csv", ExportFilters(), ExportOptions())

    text = (tmp_path / "export.csv").read_bytes().decode()
    assert text.startswith(f"\ufeffLast name;First name;Email;{header};Additional information;")
    assert "\r\nDUPONT;Anaïs;anais.dupont@exemple.fr;x;;" in text


def test_the_times_follow_the_display_time_zone(tmp_path: Path, published_sql: str) -> None:
    warehouse = tmp_path / "opco.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(published_sql)
        connection.execute("update warehouse_build set display_timezone = 'Indian/Reunion'")

    write_export(warehouse, tmp_path / "export.csv", ExportFilters(users=("U100",)), ExportOptions())

    # 22:00 UTC on the 24th, four hours ahead.
    assert "25/10/2026 02:00;25/10/2026 02:00;00:00:00\r\n" in (tmp_path / "export.csv").read_bytes().decode()


def test_many_lines_are_in_order_and_end_with_one_line_end(tmp_path: Path, published_sql: str) -> None:
    warehouse = tmp_path / "opco.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(published_sql)
        connection.execute(
            """
            create table template as from fct_opco_connections where connection_id = 'c5';
            delete from fct_opco_connections;
            insert into fct_opco_connections
            select template.* replace (
                'c' || (300000 - number) as connection_id,
                timestamp '2020-01-01' + to_minutes(number) as connected_at,
                'C' || number as course_id,
                'Cours ' || number as course_name
            )
            from template, range(300000) as numbers (number)
            order by hash(number)
            """
        )

    write_export(warehouse, tmp_path / "export.csv", ExportFilters(), ExportOptions(dialect="rfc4180"))

    with (tmp_path / "export.csv").open(encoding="utf-8", newline="") as file:
        courses = [record[-4] for record in csv.reader(file, strict=True)]
    assert courses == ["Course", *(f"Cours {number}" for number in range(300_000))]
    assert (tmp_path / "export.csv").read_bytes().endswith(b"00:00:30\r\n")
    assert not (tmp_path / "export.csv").read_bytes().endswith(b"\r\n\r\n")
