import numpy as np
import pytest

from sklearn_kpd import networks


@pytest.mark.parametrize("name", networks.NETWORKS)
@pytest.mark.parametrize("image_shape", [(96, 96, 1), (40, 60, 3), (1, 10, 1)])
def test_every_network_takes_every_size(name, image_shape):
    model = networks.get(name)(image_shape, 8)
    images = np.random.default_rng(0).integers(256, size=(2, *image_shape), dtype=np.uint8)
    assert model(images).shape == (2, 8)


def test_options_of_the_cnn():
    model = networks.cnn((32, 32, 1), 4, filters=(4, 8), units=(16, 8), dropout=0.5)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Conv2D") == 2
    assert kinds.count("Dense") == 3
    assert kinds.count("Dropout") == 2


def test_callables_pass_and_unknown_names_do_not():
    assert networks.get(len) is len
    with pytest.raises(ValueError, match="network='resnet' is unknown; it may be 'cnn'"):
        networks.get("resnet")
