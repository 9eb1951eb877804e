"""What happens to a picture on its way to the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.pictures import AUGMENTED, CENTER, SMALL, WHOLE, picture
from tokred.data import transforms
from tokred.settings import Backbone, Training

LARGE = SMALL.model_copy(update={"image_size": 224, "patch_size": 16})


def normalised(image: Image.Image, backbone: Backbone) -> torch.Tensor:
    scaled = (np.asarray(image) / 255 - np.array(backbone.mean)) / np.array(backbone.std)
    return torch.from_numpy(scaled).permute(2, 0, 1).float()


@pytest.mark.parametrize(("size", "shown"), [((300, 512), (256, 436)), ((640, 400), (409, 256))])
def test_central_square(size: tuple[int, int], shown: tuple[int, int]) -> None:
    """The shorter side becomes 256 of which the central 224 are seen, bicubic."""
    image = Image.effect_noise(size, 80).convert("RGB")
    resized = image.resize(shown, Image.Resampling.BICUBIC)
    left, top = (round((length - 224) / 2) for length in shown)
    expected = resized.crop((left, top, left + 224, top + 224))
    found = transforms.evaluation(LARGE, CENTER)(image)
    torch.testing.assert_close(found, normalised(expected, LARGE), atol=1e-5, rtol=0)


def test_whole_picture() -> None:
    image = picture(3)
    expected = normalised(image.resize((16, 16), Image.Resampling.BICUBIC), SMALL)
    torch.testing.assert_close(transforms.evaluation(SMALL, WHOLE)(image), expected, atol=1e-5, rtol=0)


def test_without_augmentation_only_the_size_changes() -> None:
    image = picture(3)
    plain = transforms.augmenting(SMALL, Training())(image)
    assert torch.equal(plain, transforms.evaluation(SMALL, WHOLE)(image))


def test_everything_at_once_gives_many_different_inputs() -> None:
    transform = transforms.augmenting(SMALL, Training(**AUGMENTED, cutout=0.5))
    found = [transform(picture(3)) for _ in range(20)]
    assert {tuple(image.shape) for image in found} == {(3, 16, 16)}
    assert len({image.numpy().tobytes() for image in found}) == 20


def test_strongest_randaugment_on_any_picture() -> None:
    """Magnitudes are drawn around 9 and can reach 10, where timm's operations come to their limits."""
    transform = transforms.augmenting(SMALL, Training(randaugment="rand-m10-mstd0.5-inc1"))
    torch.manual_seed(0)
    for index in range(60):
        assert transform(picture(index)).isfinite().all()


def test_flip() -> None:
    transform = transforms.augmenting(SMALL, Training(flip=1.0))
    image = picture(3)
    torch.testing.assert_close(
        transform(image), transforms.augmenting(SMALL, Training())(image).flip(2), atol=0.05, rtol=0
    )


def test_cutout_paints_one_square() -> None:
    image, areas, colors = Image.new("RGB", (40, 40), (1, 2, 3)), [], set()
    for _ in range(300):
        changed = (np.asarray(transforms.Cutout(0.5)(image)) != (1, 2, 3)).any(axis=2)
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        assert changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        areas.append(changed.sum())
        colors.add(np.asarray(transforms.Cutout(0.5)(image))[changed][:1].tobytes())
    assert max(areas) == 20 * 20
    assert min(areas) < 15 * 15  # cut off at the edges
    assert len(colors) > 10
    assert np.asarray(image).max() == 3, "the picture itself was painted on"


def test_unknown_randaugment() -> None:
    with pytest.raises(ValueError, match="randaugment 'rand-q9': timm cannot read it"):
        transforms.augmenting(SMALL, Training(randaugment="rand-q9"))
