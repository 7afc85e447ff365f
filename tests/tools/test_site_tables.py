"""What a phone needs to show tables: each cell knows its column."""

from tools.site_tables import on_page_content

TABLE = """<p>a &lt;table&gt;</p><table>
<thead><tr><th>option</th><th style="text-align: left;">in <code>"a"</code></th></tr></thead>
<tbody><tr><td>x</td><td style="text-align: left;">1</td></tr><tr><td>y</td><td></td></tr></tbody>
</table>"""


def test_cells_know_their_columns():
    html = on_page_content(TABLE, page=None)
    assert html.count('<td data-column="option">') == 2
    assert '<td data-column="in &quot;a&quot;" style="text-align: left;">1</td>' in html
    assert html.count("data-column") == 4


def test_tables_do_not_take_each_others_columns():
    other = "<table><tr><th>z</th></tr><tr><td>1</td></tr></table>"
    assert '<td data-column="z">1' in on_page_content(TABLE + other)


def test_what_is_no_table_stays():
    assert on_page_content("<p><td</p>") == "<p><td</p>"
