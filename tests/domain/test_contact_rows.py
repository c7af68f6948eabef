"""The rows of a CSV file, read piece by piece, are those that the csv module reads from the whole."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import contact_rows
from shared.domain.contact_rows import LONGEST, MOST_LINES, Layout, Row, header, read
from shared.domain.contacts import CONTACT_ID, Command, Wish
from shared.domain.errors import Invalid

LAYOUT = Layout(",", 0, 1)
cells = st.one_of(
    st.sampled_from(["ann", "bob.b", "true", "no", "delete", '"', "\n", "\r\n", ",", 'a "b" c', "1 Main St\nDublin"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=8),
)
tables = st.lists(st.lists(cells, min_size=2, max_size=4), min_size=1, max_size=30)


def in_pieces(content, length, layout=LAYOUT):
    """A file read as an import reads it: pieces of so many bytes, longer ones where no row ends."""
    rows, at, lines, asked = [], 0, 0, length
    while at < len(content):
        piece = content[at : at + asked]
        page = read(piece, lines, layout, last=at + len(piece) == len(content))
        asked = length if page.size else asked * 2
        rows += page.rows
        at, lines = at + page.size, lines + page.lines
    return rows, lines


WISHES = {"true": Wish.MARKETING, "no": Wish.NON_MARKETING, "delete": Wish.DELETE}


@given(tables, st.integers(1, 200), st.sampled_from(["\n", "\r\n"]), st.sampled_from(",;\t"))
def test_any_csv_file_reads_piece_by_piece_as_the_csv_module_reads_it_whole(table, length, end, delimiter):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(table)
    expected, before = [], 0
    reader = csv.reader(io.StringIO(text.getvalue(), newline="\n"), delimiter=delimiter)
    for row in reader:
        wish = WISHES.get(row[1].strip().lower())
        good = CONTACT_ID.fullmatch(row[0].strip()) and wish
        expected.append((before + 1, Command(row[0].strip(), wish) if good else None))
        before = reader.line_num
    rows, lines = in_pieces(text.getvalue().encode(), length, Layout(delimiter, 0, 1))
    assert [(row.line, row.command) for row in rows] == expected
    assert lines == before


def test_the_inside_of_a_cell_is_no_row():
    text = b'ann,true,"1 Main St\nDublin"\nbob,true,"x\neve,true,y"\ncyd,true,z\n'
    commands = [(row.line, row.command.contact) for row in in_pieces(text, 10)[0]]
    assert commands == [(1, "ann"), (3, "bob"), (5, "cyd")]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (b'"ann,true\nbob,true\n', [(1, "not_csv"), (2, None)]),
        (b'ann,true\n"bob"x,true\ncyd,true', [(1, None), (2, "not_csv"), (3, None)]),
        (b"\xff,true\nann,true", [(1, "not_utf8"), (2, None)]),
        (b'ann,true,"\n\xff"\nbob,true', [(1, "not_utf8"), (3, None)]),
        (b"ann\n\n  \nbob,perhaps", [(1, "missing_cells"), (4, "invalid_marketing")]),
        (b"=cyd,true", [(1, "invalid_contact")]),
        (b"ann,true," + b"x" * LONGEST + b"\nbob,true", [(1, "line_too_long"), (2, None)]),
        (b'ann,true,"' + b"x\n" * LONGEST, [(1, "line_too_long")]),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_rejected_at_its_first_line(text, rows):
    read_so = [(row.line, row.reason) for row in in_pieces(text, 1000)[0]]
    assert read_so[: len(rows)] == rows


def test_a_row_of_just_the_most_lines_is_read():
    def text(lines):
        return b'ann,true,"' + b"x\n" * (lines - 1) + b'y"\n'

    assert read(text(MOST_LINES), 0, LAYOUT, last=True).rows == [Row(1, Command("ann", Wish.MARKETING))]
    assert read(text(MOST_LINES + 1), 0, LAYOUT, last=True).rows[0] == Row(1, None, "line_too_long")


def test_quotes_that_are_open_wherever_one_begins_to_read_take_no_longer_the_larger_the_file_is(monkeypatch):
    """Each line of this opens a quote that the next one opens again: none of its rows ever ends."""
    asked, line_of = [], contact_rows._Lines.__next__
    monkeypatch.setattr(contact_rows._Lines, "__next__", lambda lines: asked.append(lines.at) or line_of(lines))
    rows = read(b'a",",\n' * 2000, 0, LAYOUT, last=True).rows
    assert (len(rows), rows[0]) == (2000, Row(1, None, "line_too_long"))
    assert len(asked) <= 2000 * (MOST_LINES + 1)


def test_a_row_of_just_the_longest_is_read():
    text = b"ann,true," + b"x" * (LONGEST - 10) + b"\n"
    assert len(text) == LONGEST
    assert read(text, 0, LAYOUT, last=True).rows == [Row(1, Command("ann", Wish.MARKETING))]
    assert read(b"x" + text, 0, LAYOUT, last=True).rows == [Row(1, None, "line_too_long")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"\xef\xbb\xbfcontact,marketing\nann,true", ((",", 0, 1), 21, 1)),
        (b'"Last, first";Contact;MARKETING \r\n', ((";", 1, 2), 34, 1)),
        (b'"home\naddress"\tmarketing\tcontact\nx', (("\t", 2, 1), 33, 2)),
        (b"contact,marketing", ((",", 0, 1), 17, 1)),
    ],
)
def test_the_header_says_where_a_row_has_what(text, found):
    assert header(text) == found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("contact,marketing\nann,true".encode("utf-16"), "not_utf8"),
        ("contact,marketing\nann,true".encode("utf-16-be"), "not_utf8"),
        (b"contact,marketing\rann,true\r", "unknown_line_ends"),
        (b"id,marketing\nann,true", "missing_columns"),
        (b'"contact,marketing\nann,true', "missing_columns"),
        (b"", "missing_columns"),
    ],
)
def test_a_header_that_says_nothing(text, code):
    with pytest.raises(Invalid) as refused:
        header(text)
    assert refused.value.code == code
