"""Heads in space from flat landmarks: rotation, scale and place of a face, and its shape turned to the front.

A weak-perspective camera: points = scale · (shape @ rotation.T)[x, y] + shift. Depth is that of the mean face
until the clip itself, by turning the head, shows another.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d2a_core.faces.geometry import rotation_matrix, similarity_fit
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import Scheme

FIT_STEPS = 40
CLIP_ROUNDS = 4
DEPTH_RIDGE = 0.01  # turns of about 6°, mean square, weigh as much as the mean face's depth
DEPTH_RANGE = 0.2  # inter-ocular distances by which the depth of a face may differ from the mean face's


@dataclass(frozen=True)
class Heads:
    """T heads: `rotation` [T, 3, 3], `scale` [T], `shift` [T, 2] and `shape` [T, P, 3].

    The unit of the shape is the inter-ocular distance of the mean face, its origin is between the eyes.
    """

    rotation: NDArray[np.float64]
    scale: NDArray[np.float64]
    shift: NDArray[np.float64]
    shape: NDArray[np.float64]

    def rows(self, chosen: NDArray[np.int64] | slice) -> "Heads":
        """Some of the heads, by their indices [N] or a slice."""
        return Heads(self.rotation[chosen], self.scale[chosen], self.shift[chosen], self.shape[chosen])


def lift(points: NDArray, scheme: Scheme, angles: NDArray | None = None) -> Heads:
    """Heads of points [T, P, 2], each by itself, over the depth of the mean face.

    `angles` [T, 3] in degrees, where a detector saw them in space, settle yaw and pitch; a flat face tells a
    long one from a bowed one badly. Roll is always that of the points.
    """
    return _unproject(points, template_of(scheme), scheme, angles)


def lift_clip(points: NDArray, scheme: Scheme, angles: NDArray | None = None) -> Heads:
    """Heads of one person over a clip, as `lift`: all share one depth, which their turns reveal."""
    template = template_of(scheme)
    face = template
    for _ in range(CLIP_ROUNDS):
        face = _face_of(points, _unproject(points, face, scheme, angles), template)
    return _unproject(points, face, scheme, angles)


def project(heads: Heads) -> NDArray[np.float64]:
    """Points [T, P, 2] of heads: the inverse of lifting."""
    return heads.scale[:, None, None] * _turned(heads.shape, heads.rotation)[..., :2] + heads.shift[:, None]


def between(heads: Heads, places: NDArray) -> Heads:
    """Heads at any `places` [T'] of a clip of them, in frames: between two of them in proportion.

    Beyond its ends a clip stands still.
    """
    last = len(heads.scale) - 1
    places = np.clip(places, 0, last)
    low = np.floor(places).astype(int)
    high = np.minimum(low + 1, last)
    share = places - low

    def mixed(values: NDArray) -> NDArray:
        weight = share.reshape(-1, *[1] * (values.ndim - 1))
        return (1 - weight) * values[low] + weight * values[high]

    turn = Rotation.from_matrix(heads.rotation[high] @ heads.rotation[low].transpose(0, 2, 1)).as_rotvec()
    rotation = Rotation.from_rotvec(share[:, None] * turn).as_matrix() @ heads.rotation[low]
    return Heads(rotation, mixed(heads.scale), mixed(heads.shift), mixed(heads.shape))


def rigid_share(displacement: NDArray, face: NDArray, scheme: Scheme) -> NDArray[np.float32]:
    """Share of each motion, `displacement` [m, P, 2], that a turn of the head in space explains: [m].

    Shift, size and tilt in the picture, which alignment takes out of every face, are left aside. Of what
    remains, this is the share that least squares on the two other turns of a head with the points `face`
    [P, 2] explain, between 0 and 1. Where nothing remains, the share is 0.
    """
    head = lift(face[None], scheme)
    shape = _turned(head.shape, head.rotation)[0]  # as the camera has it, [P, 3]
    yaw, pitch, roll = (np.cross(axis, shape)[:, :2] for axis in np.eye(3)[[1, 0, 2]])
    shifts = [np.tile(axis, (len(shape), 1)) for axis in np.eye(2)]
    plane = np.linalg.qr(np.stack([way.ravel() for way in (*shifts, shape[:, :2], roll)], axis=1))[0]
    moved = displacement.reshape(len(displacement), -1).astype(np.float64)
    turns = np.stack([yaw.ravel(), pitch.ravel()])
    moved, turns = (way - way @ plane @ plane.T for way in (moved, turns))
    explained = moved @ np.linalg.qr(turns.T)[0]
    energy = np.square(moved).sum(axis=1)
    share = np.divide(
        np.square(explained).sum(axis=1), energy, out=np.zeros(len(moved)), where=energy > 1e-20
    )
    return share.astype(np.float32)


def _unproject(points: NDArray, face: NDArray, scheme: Scheme, angles: NDArray | None) -> Heads:
    points, rigid = np.asarray(points, np.float64), list(scheme.rigid)
    if angles is None:
        rotation, scale, shift = _fit(points[:, rigid], face[rigid])
    else:
        rotation, scale, shift = _fit_upright(points[:, rigid], face[rigid], np.asarray(angles, np.float64))
    depth = _turned(face[None], rotation)[..., 2:]
    camera = np.concatenate(((points - shift[:, None]) / scale[:, None, None], depth), axis=2)
    return Heads(rotation, scale, shift, camera @ rotation)


def _fit(flat: NDArray, model: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Rotation, scale and shift [T, 2] that lay `model` [K, 3] on points `flat` [T, K, 2].

    Least squares in the picture, by turns: a depth from the last fit, a fit in space with that depth.
    """
    rotation, scale = _affine_start(flat, model)
    for _ in range(FIT_STEPS):
        depth = scale[:, None, None] * _turned(model[None] - model.mean(axis=0), rotation)[..., 2:]
        rotation, scale, shift = similarity_fit(np.concatenate((flat, depth), axis=2), model)
    return rotation, scale, shift[:, :2]


def _fit_upright(flat: NDArray, model: NDArray, angles: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """As `_fit`, with yaw and pitch known: what is left is a similarity in the plane, in closed form."""
    turns = np.stack([rotation_matrix(yaw, pitch, 0) for yaw, pitch, _ in angles])
    seen = _turned(model[None], turns)[..., :2]
    middle, centre = seen.mean(axis=1), flat.mean(axis=1)
    one, other = ((part @ [1, 1j]) for part in (seen - middle[:, None], flat - centre[:, None]))
    ratio = (one.conj() * other).sum(axis=1) / (one.conj() * one).sum(axis=1)  # scale · exp(i roll)
    rotation = np.stack([rotation_matrix(0, 0, roll) for roll in np.degrees(np.angle(ratio))]) @ turns
    scale = np.abs(ratio)
    shift = centre - scale[:, None] * (rotation @ model.mean(axis=0))[:, :2]
    return rotation, scale, shift


def _affine_start(flat: NDArray, model: NDArray) -> tuple[NDArray, NDArray]:
    """Rotation and scale next to the best affine camera (DeMenthon and Davis, IJCV 1995, first step)."""
    camera = np.linalg.pinv(model - model.mean(axis=0)) @ (flat - flat.mean(axis=1, keepdims=True))
    u, s, vt = np.linalg.svd(camera.transpose(0, 2, 1), full_matrices=False)
    rows = u @ vt
    rotation = np.concatenate((rows, np.cross(rows[:, :1], rows[:, 1:])), axis=1)
    return rotation, s.mean(axis=1)


def _face_of(points: NDArray, heads: Heads, template: NDArray) -> NDArray[np.float64]:
    """Shape [P, 3] that explains all points best: least squares, held to the mean face's depth by a ridge."""
    rows = heads.rotation[:, :2]  # [T, 2, 3]
    seen = (points - heads.shift[:, None]) / heads.scale[:, None, None]  # [T, P, 2]
    prior = np.concatenate((heads.shape[..., :2].mean(axis=0), template[:, 2:]), axis=1)
    weight = DEPTH_RIDGE * len(points)
    normal = np.einsum("tki,tkj->ij", rows, rows) + weight * np.eye(3)
    face = np.linalg.solve(normal, (np.einsum("tki,tpk->pi", rows, seen) + weight * prior).T).T
    face[:, 2] = np.clip(face[:, 2], template[:, 2] - DEPTH_RANGE, template[:, 2] + DEPTH_RANGE)
    return face


def _turned(shape: NDArray, rotation: NDArray) -> NDArray[np.float64]:
    return shape @ rotation.transpose(0, 2, 1)
