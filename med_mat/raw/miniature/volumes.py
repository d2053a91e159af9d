"""Writes synthetic NIfTI volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from med_mat.raw.miniature.drawn import generator, texture
from med_mat.raw.miniature.folder import AnyPath, Folder

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Volumes(Folder):
    """Writes NIfTI files."""

    def volume(
        self,
        path: AnyPath,
        shape: Sequence[int],
        *,
        labels: bool = False,
        values: Sequence[int] = (1,),
        axes: str = "RAS",
        seed: str | None = None,
    ) -> None:
        """Write a NIfTI volume (.nii or .nii.gz) of Hounsfield-like values, or of labels.

        Args:
            path: Path of the file.
            shape: Lengths of the three axes of the file, and of a fourth if there are several volumes.
            labels: Whether to write a label map, with a ball for each of ``values``.
            values: Values of the label map.
            axes: Direction of each axis of the file, e.g. "LPS".
            seed: Seed text instead of the path.
        """
        import nibabel
        import numpy as np

        if labels:
            data = _balls(shape[:3], values)
            self._marked(str(path), data, values)
        else:
            data = self._body(str(path), shape[:3], seed or str(path))
        if len(shape) > 3:
            data = np.stack([data] * shape[3], axis=-1)
        orient: Any = nibabel.orientations.axcodes2ornt
        affine = np.zeros((4, 4))
        for axis, (target, direction) in enumerate(orient(axes)):
            affine[int(target), axis] = direction
        affine[3, 3] = 1
        make: Any = nibabel.Nifti1Image
        self.write(path, make(data, affine).to_bytes())

    def _body(self, path: str, shape: Sequence[int], seed: str) -> NDArray[Any]:
        """A body in CT values: one anatomy in all axial slices, with what is found in each, where that is known."""
        import numpy as np

        slices = [self.looks.get(f"{path}#slice={number}") or self.looks.get(path) for number in range(shape[2])]
        data = _body(shape, seed)
        for number, look in enumerate(slices):
            if look is not None:
                shown = texture((shape[0], shape[1]), seed, color=False, look=look)
                data[:, :, number] = (1400 * shown.T[::-1, ::-1] - 1000).astype(np.int16)  # right is left, front is up
        return data

    def _marked(self, path: str, labels: NDArray[Any], values: Sequence[int]) -> None:
        """Remember where the labels are in each axial slice, as it is shown."""
        import numpy as np

        for number in range(labels.shape[2]):
            places = []
            for value in values:
                across, down = (np.flatnonzero((labels[:, :, number] == value).any(axis)) for axis in (1, 0))
                if across.size:
                    width, height = labels.shape[:2]
                    places.append((width - 1 - across[-1], height - 1 - down[-1], width - across[0], height - down[0]))
            self._shaped(f"{path}#slice={number}", labels.shape[:2], places)


def _balls(shape: Sequence[int], values: Sequence[int]) -> NDArray[Any]:
    """A label map with a ball for every value, side by side along the first axis."""
    import numpy as np

    data = np.zeros(shape, np.uint8)
    for number, value in enumerate(values):
        away = _distance(shape, (-0.8 + 1.6 * (number + 0.5) / len(values), 0, 0))
        data[away <= max((0.7 / len(values)) ** 2, away.min())] = value
    return data


def _body(shape: Sequence[int], seed: str) -> NDArray[Any]:
    """An ellipsoid of soft tissue with blobs, surrounded by air, in CT values."""
    import numpy as np

    random = generator(seed)
    body = _distance(shape, (0, 0, 0), (0.9, 0.8, 1.1)) < 1
    drawn = np.where(body, 40.0, -1000.0)
    for _ in range(4):
        blob = np.exp(-_distance(shape, random.uniform(-0.5, 0.5, 3).tolist()) / 0.05)
        drawn += np.where(body, random.uniform(-300, 500) * blob, 0)
    return (drawn + random.normal(0, 8, shape)).astype(np.int16)


def _distance(shape: Sequence[int], center: Sequence[float], extent: Sequence[float] = (1, 1, 1)) -> NDArray[Any]:
    """The squared distance of every voxel from a point, with axes from -1 to 1."""
    import numpy as np

    grid: list[NDArray[Any]] = list(np.ogrid[tuple(slice(-1, 1, complex(0, length)) for length in shape)])
    squares = [((axis - c) / e) ** 2 for axis, c, e in zip(grid, center, extent, strict=True)]
    return np.asarray(squares[0] + squares[1] + squares[2])
