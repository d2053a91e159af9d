"""The lines that a user pastes, from the README, the card on the Hub and the end of a push, run against the Hub."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hub_client import Built, Client
from workshop import Workshop

README = Path(__file__).parents[2] / "README.md"
CHOICE = ("--except", "aptos_2019", "--allow", "busi", "--allow", "kvasir_seg")


def blocks(text: str) -> str:
    """The Python of a page, one block after the other."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def pasted(client: Client, code: str) -> str:
    """What some lines print that a user runs in a process of their own."""
    done = client.python(code)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_lines_of_the_readme_run_against_the_hub(client: Client, workshop: Workshop) -> None:
    done = client.med_mat("push", workshop.out, "org/Med-MAT")
    assert done.returncode == 0, done.stderr
    code = blocks(README.read_text("utf-8"))
    assert '"Med-MAT"' in code
    assert "holds: yes" in pasted(client, code.replace('"Med-MAT"', '"org/Med-MAT"'))


def test_push_ends_with_the_lines_that_load_what_was_pushed(client: Client, built: Built) -> None:
    done = client.med_mat("push", built.out, "org/Med-MAT", *CHOICE)
    assert done.returncode == 0, done.stderr
    calls = re.findall(r"load_dataset\(.*?\)", done.stdout)
    assert calls[0] == 'load_dataset("org/Med-MAT", split="train")'
    assert len(calls) == 2
    said = pasted(client, f"from datasets import load_dataset\nfor one in ({', '.join(calls)}): print(one[0]['image'])")
    assert said.count("ImageFile") == 2


def test_the_lines_of_a_card_run_as_they_stand(client: Client, built: Built) -> None:
    client.med_mat("push", built.out, "org/Med-MAT", *CHOICE)
    code = blocks(client.hub.files("org/Med-MAT")["README.md"].decode())
    assert code.count('"org/Med-MAT"') == 3
    assert int(pasted(client, f"{code}\nprint(len(train))")) > 0


def test_without_images_push_card_and_python_say_how_to_attach_them(client: Client, built: Built) -> None:
    done = client.med_mat("push", built.out, "org/records", "--without-pixels", "--names", *CHOICE)
    line = "med-mat attach org/records --raw"
    assert line in done.stdout
    assert line in client.hub.files("org/records")["README.md"].decode().partition("```")[0]
    code = "import med_mat; mat = med_mat.open('org/records'); print(mat); print(mat.select(row=48)[0]['image'])"
    said = pasted(client, code)
    assert line in said
    assert "null in the records of all sources" in said
    assert said.endswith("None\n")
