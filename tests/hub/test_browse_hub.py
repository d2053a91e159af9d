"""The web page on a set that lies on the Hub."""

from __future__ import annotations

from pathlib import Path

from hub_client import Built, Client

CODE = """
import re, tempfile
from html import unescape
from pathlib import Path
import med_mat
from med_mat.browse.serve import application
from starlette.testclient import TestClient

mat = med_mat.open("org/Med-MAT")
asked = TestClient(application(mat, "org/Med-MAT", "127.0.0.1", Path(tempfile.mkdtemp())), base_url="http://127.0.0.1")
page = asked.get("/?q=source=busi").text
for address in re.findall(r'"(/thumbnail[^"]*)"', page)[:2]:
    assert asked.get(unescape(address)).headers["content-type"] == "image/webp"
record = asked.get(unescape(re.search(r'"(/record[^"]*)"', page)[1])).text
image = asked.get(unescape(re.search(r'data-image="([^"]*)"', record)[1]))
assert image.status_code == 200 and image.headers["content-type"] == "image/png", image
split = asked.get("/split?target=US/Breast/Cancer&experiment=single_task").text
assert "med_mat.open(&#39;org/Med-MAT&#39;)" in split, split
print("seen")
"""


def test_it_is_looked_at_as_a_folder_is(client: Client, drawn: Built, tmp_path: Path) -> None:
    assert client.med_mat("push", drawn.out, "org/Med-MAT").returncode == 0
    done = client.python(CODE)
    assert done.stdout.endswith("seen\n"), done.stderr
