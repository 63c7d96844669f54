import numpy as np
import torch
from image_world import BALL, GAIN, REST, SIZE, WIDTH, ImageWorld, ShareOfTheWay, loss_of, weights

from d2a_core.evaluation import own_results, protocols
from d2a_core.evaluation.face_table import Faces
from d2a_core.evaluation.protocols import Pair
from d2a_core.faces.landmarks import Detections
from d2a_core.fan.closed_loop import Animator


def test_a_target_without_a_face_asks_for_nothing_and_stops_no_other():
    face = REST.numpy()
    points = np.stack((face, face + GAIN * np.float32([0.6, -0.4]), np.full_like(face, np.nan)))
    found = np.isfinite(points).all(axis=(1, 2))
    blank = np.zeros((3, 3), np.float32)
    seen = Detections(points, blank, found.astype(np.float32), found, points)
    known = Faces({"held-out/s00000.png": 0, "a": 1, "b": 2}, seen, blank, blank, blank)
    pairs = [
        Pair(number, protocols.CROSS, "held-out", "s00000", target, "held-out/s00000.png", target, "", -1)
        for number, target in enumerate("ba")
    ]
    codes = {"held-out": {"wplus": np.zeros((1, 10, WIDTH), np.float32)}}
    world = ImageWorld()
    animator = Animator(world, world, ShareOfTheWay(0.25), BALL, SIZE, loss_of(weights(landmarks=1.0)))
    results = own_results.animate(animator, [animator.fan], pairs, codes, known, passes=0, refinements=12)
    blind, other = (result.image for result in results)
    still = world.synthesize(torch.zeros(1, 10, WIDTH), None)
    assert np.array_equal(blind, own_results.rendering.to_uint8(still)[0])
    assert not np.array_equal(other, blind)
