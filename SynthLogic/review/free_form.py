"""A smooth displacement between two images of whatever contrast, estimated by least squares.

SimpleITK's deformable registrations were tried first: B-splines on mutual information take a minute for a
small volume on one core, and demons drift by voxels where an image shows nothing but noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.interpolate import BSpline
from scipy.sparse.linalg import LinearOperator, cg

FloatArray = NDArray[np.float64]

_SMOOTHINGS = (3.0, 2.0, 1.0)
_STEPS = 4
_WINDOW_MM = 7.0
_FLOOR = 0.01
_SAMPLES = 12_000
_CHANGE_MM = 15.0
_HUBER = 1.5
_CG = 25


@dataclass(frozen=True)
class FreeForm:
    """A displacement by cubic B-splines.

    Attributes:
        lattice: knots in voxels along K, J and I.
        coefficients: (C, 3) mm along x, y, z.
    """

    lattice: tuple[FloatArray, FloatArray, FloatArray]
    coefficients: FloatArray

    def at(self, kji: FloatArray) -> FloatArray:
        """(N, 3) displacement in mm at voxels (N, 3), ordered k, j, i and within the image."""
        return np.asarray(_basis(self.lattice, kji) @ self.coefficients)


def fit_free_form(
    fixed: NDArray[np.float32],
    moving: NDArray[np.float32],
    inside: NDArray[np.bool_],
    index_to_mm: FloatArray,
    control_mm: float,
) -> FreeForm:
    """The displacement u with ``moving`` at p + u(p) alike to ``fixed`` at p, after a change of contrast.

    Contrast is bridged by the linear regression of either image on the other in a Gaussian window round each
    voxel, which is what local cross-correlation rests on (Avants et al. 2008), so that neither opposite
    contrast nor a bias field matters. What the regressions leave is minimised, both ways together, by
    Gauss-Newton steps on the coefficients of cubic B-splines (Rueckert et al. 1999), from smooth images to
    sharp ones, with Huber's weights. Neighbouring coefficients are held together by a penalty that stands for
    differences of 15 mm and carries the estimate over what shows no edges.

    Args:
        fixed: (K, J, I).
        moving: the same shape.
        inside: boolean (K, J, I); voxels that count.
        index_to_mm: 3x3, columns are the steps of I, J and K in mm along x, y, z.
        control_mm: distance of control points.
    """
    spacing = np.linalg.norm(index_to_mm, axis=0)[::-1]
    along_k, along_j, along_i = (_knots(n, control_mm / s) for n, s in zip(fixed.shape, spacing, strict=True))
    lattice = (along_k, along_j, along_i)
    kji = np.argwhere(inside)
    kji = kji[np.linspace(0, len(kji) - 1, min(_SAMPLES, len(kji))).astype(int)].astype(np.float64)
    basis = _basis(lattice, kji)
    penalty = _penalty([len(k) - 4 for k in lattice]) / _CHANGE_MM**2
    to_index = np.asarray(np.linalg.inv(index_to_mm), np.float64)
    coefficients = np.zeros((basis.shape[1], 3))
    finest = float(spacing.max())
    for smoothing in _SMOOTHINGS:
        sigma = smoothing * finest / spacing
        window = _WINDOW_MM * smoothing / spacing
        still, movable = (ndimage.gaussian_filter(image, sigma, mode="nearest") for image in (fixed, moving))
        # Neighbouring samples of a smoothed image are no independent witnesses.
        alike = max(1.0, float(np.prod(np.sqrt(4 * np.pi) * sigma)) * len(kji) / float(inside.sum()))
        for _ in range(_STEPS):
            warped = _warped(movable, lattice, coefficients @ to_index.T)
            equations = _equations(still, warped, kji, window, to_index)
            coefficients = coefficients + _step(basis, equations, penalty * alike, coefficients)
    return FreeForm(lattice, coefficients)


def _warped(
    image: NDArray[np.float32], lattice: tuple[FloatArray, ...], coefficients: FloatArray
) -> NDArray[np.float32]:
    """``image`` at every voxel plus its displacement; coefficients (C, 3) in voxels along I, J, K."""
    along = [_dense(knots, n) for knots, n in zip(lattice, image.shape, strict=True)]
    grid = coefficients.reshape(*(len(knots) - 4 for knots in lattice), 3)[..., ::-1]
    moved = np.einsum("abcx,ka,jb,ic->xkji", grid, *along, optimize=True).astype(np.float32)
    for axis, n in enumerate(image.shape):
        moved[axis] += np.arange(n, dtype=np.float32).reshape([-1 if d == axis else 1 for d in range(3)])
    return np.asarray(ndimage.map_coordinates(image, moved, order=1, mode="nearest", output=np.float32))


def _equations(
    still: NDArray[np.float32],
    warped: NDArray[np.float32],
    kji: FloatArray,
    window: FloatArray,
    to_index: FloatArray,
) -> list[tuple[FloatArray, FloatArray]]:
    """Per direction of the contrast's mapping: residuals (N,) and slopes (N, 3) per mm, in sigmas."""
    local = partial(ndimage.gaussian_filter, sigma=window, mode="nearest")
    at = tuple(kji.T.astype(int))
    mean_x, mean_y = local(still), local(warped)
    x, y = still - mean_x, warped - mean_y
    xx, yy, xy = (local(product) for product in (x * x, y * y, x * y))
    floor_x, floor_y = (_FLOOR * float(np.mean(v[at])) + 1e-20 for v in (xx, yy))
    xx, yy = xx + floor_x, yy + floor_y
    share = 1 - np.minimum(xy * xy / (xx * yy), 0.999)
    found = []
    for residual, image, factor, variance in (
        ((xy / xx) * x - y, still, xy / xx, yy * share),
        (x - (xy / yy) * y, warped, xy / yy, xx * share),
    ):
        slope = np.stack([g[at] for g in np.gradient(image)[::-1]], axis=-1).astype(np.float64) @ to_index
        noise = np.sqrt(variance[at].astype(np.float64))
        r = residual[at] / noise
        # Both directions see the same noise: together they count as one.
        weight = np.sqrt(0.5 * np.minimum(1.0, _HUBER / np.maximum(np.abs(r), 1e-12)))
        found.append((r * weight, slope * (factor[at] * weight / noise)[:, None]))
    return found


def _step(
    basis: sparse.csr_matrix,
    equations: list[tuple[FloatArray, FloatArray]],
    penalty: sparse.csr_matrix,
    coefficients: FloatArray,
) -> FloatArray:
    transposed = basis.T.tocsr()
    # Per sample the 3x3 matrix of the normal equations, and their right side.
    matrix = sum(np.einsum("na,nb->nab", slope, slope) for _, slope in equations)
    right = transposed @ sum(slope * residual[:, None] for residual, slope in equations)
    right = right - penalty @ coefficients
    size = coefficients.shape
    ridge = 1e-6 * float(np.abs(matrix).max())

    def apply(flat: FloatArray) -> FloatArray:
        step = flat.reshape(size)
        pulled = np.einsum("nab,nb->na", matrix, basis @ step)
        return np.asarray(transposed @ pulled + penalty @ step + ridge * step).ravel()

    operator = LinearOperator((right.size, right.size), matvec=apply, dtype=np.float64)
    solution, _ = cg(operator, right.ravel(), maxiter=_CG)
    return np.asarray(solution).reshape(size)


def _dense(knots: FloatArray, count: int) -> FloatArray:
    """(count, control points) values of one axis' splines at every voxel."""
    places = np.clip(np.arange(count, dtype=np.float64), 0, knots[-4] * (1 - 1e-9))
    return np.asarray(BSpline.design_matrix(places, knots, 3).toarray())


def _knots(count: int, step: float) -> FloatArray:
    """Knots of a uniform cubic spline over 0 to ``count`` - 1."""
    pieces = max(1, round((count - 1) / step))
    width = max(count - 1, 1) / pieces
    return np.arange(-3, pieces + 4, dtype=np.float64) * width


def _basis(lattice: tuple[FloatArray, ...], kji: FloatArray) -> sparse.csr_matrix:
    """(N, C) values of every control point's spline at voxels (N, 3)."""
    columns: NDArray[Any] = np.zeros((len(kji), 1), np.int64)
    values: NDArray[Any] = np.ones((len(kji), 1))
    for knots, place in zip(lattice, kji.T, strict=True):
        # Just inside, or the last piece would be open at its end.
        inside = np.clip(place, 0, knots[-4] * (1 - 1e-9))
        matrix = BSpline.design_matrix(inside, knots, 3)
        four = matrix.indices.reshape(len(kji), 4).astype(np.int64)
        weights = matrix.data.reshape(len(kji), 4)
        columns = (columns[:, :, None] * matrix.shape[1] + four[:, None, :]).reshape(len(kji), -1)
        values = (values[:, :, None] * weights[:, None, :]).reshape(len(kji), -1)
    count = int(np.prod([len(knots) - 4 for knots in lattice]))
    rows = np.arange(len(kji) + 1) * columns.shape[1]
    return sparse.csr_matrix((values.ravel(), columns.ravel(), rows), shape=(len(kji), count))


def _penalty(counts: list[int]) -> sparse.csr_matrix:
    """(C, C): the sum of squared differences of neighbouring coefficients, as a quadratic form."""
    total = sparse.csr_matrix((int(np.prod(counts)),) * 2)
    for axis, count in enumerate(counts):
        difference = sparse.diags([-np.ones(count - 1), np.ones(count - 1)], [0, 1], (count - 1, count))
        parts = [sparse.identity(n) for n in counts]
        parts[axis] = difference
        whole = sparse.kron(sparse.kron(parts[0], parts[1]), parts[2])
        total = total + whole.T @ whole
    return total.tocsr()


__all__ = ["FreeForm", "fit_free_form"]
