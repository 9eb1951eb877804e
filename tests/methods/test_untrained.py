"""What the registry says of methods in models that are not trained."""

from __future__ import annotations

import pytest
from torch import nn

import tokred
from tests.small_models import REDUCING, small_vit
from tokred.methods.registry import METHODS

LEARNED = {"dynamicvit", "sit", "patchmerger", "sinkhorn", "dtem"}


def parameters(method: str, **options: object) -> list[nn.Parameter]:
    return list(tokred.reduce(small_vit(depth=5), method, 0.7, [3], **options).reducers.parameters())


@pytest.mark.parametrize("method", REDUCING)
def test_a_method_has_no_parameters_untrained_or_says_that_it_must_be_trained(method: str) -> None:
    spec = METHODS[method]
    if spec.must_train:
        assert parameters(method)
        with pytest.raises(ValueError, match=f"'{method}' cannot be used untrained, as its "):
            spec.untrained_options()
        return
    assert parameters(method, **spec.untrained_options()) == []
    assert bool(parameters(method)) == bool(spec.if_untrained)


def test_which_methods_must_be_trained() -> None:
    assert {name for name, spec in METHODS.items() if spec.must_train} == LEARNED


def test_options_of_a_user_are_kept_and_those_that_need_training_refused() -> None:
    spec = METHODS["dpcknn"]
    assert spec.untrained_options({"neighbors": 3}) == {"neighbors": 3, "weights": "equal"}
    assert spec.untrained_options({"weights": "equal"}) == {"weights": "equal"}
    with pytest.raises(ValueError, match="weights: found 'learned', which 'dpcknn' has to learn; untrained"):
        spec.untrained_options({"weights": "learned"})
    assert METHODS["tome"].untrained_options({"proportional": "none"}) == {"proportional": "none"}
