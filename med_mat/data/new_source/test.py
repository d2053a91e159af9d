"""The source keeps the contract of Med-MAT: card, loader, miniature and the records built from it."""

from pathlib import Path

from med_mat import contract


def test_the_source_keeps_its_promises(tmp_path: Path) -> None:
    """Each broken promise comes with what to do, as `med-mat check-source new_source` prints it."""
    source, catalog = contract.find("new_source_package.new_source")
    broken = {one.says: one.broken for one in contract.check(source, catalog, tmp_path) if one.broken}
    assert not broken
