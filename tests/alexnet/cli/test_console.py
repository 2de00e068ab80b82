"""The console for names of other people."""

from rich import box
from rich.table import Table

from alexnet.cli.console import plain_console


def test_brackets_and_colons_in_names_are_printed_as_they_are_and_no_name_is_folded(capsys):
    names = ["[red] car", "[/red]", ":smile:", "[link=x]y", "a " + 300 * "long " + "name"]
    table = Table("class", "images", box=box.SIMPLE)
    for name in names:
        table.add_row(name, "7")
    plain_console().print(table)
    rows = capsys.readouterr().out.splitlines()
    for name in names:
        assert [row.split("  ") for row in rows if name in row and row.rstrip().endswith("7")]
