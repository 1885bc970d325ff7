import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.errors import UserError
from yolo4.compare.arms import parse_arms
from yolo4.config import Config

pytestmark = pytest.mark.quick


def names(*texts, protocol="as_is"):
    return [arm.name for arm in parse_arms(texts, protocol)]


def test_an_arm_is_a_loss_and_its_own_settings():
    bce, focal = parse_arms(["bce", "focal:focal_gamma=1:label_smoothing=0.1"], "as_is")
    shared = Config(epochs=7, confidence_loss="ohem")
    assert bce.config(shared, seed=3) == Config(epochs=7, confidence_loss="bce", seed=3)
    assert focal.config(shared, seed=4) == Config(
        epochs=7, confidence_loss="focal", focal_gamma=1, label_smoothing=0.1, seed=4
    )


def test_several_values_make_an_arm_of_each_combination():
    assert names("bce", "focal:focal_alpha=0.25,0.5:focal_gamma=1,2") == [
        "bce",
        "focal:focal_alpha=0.25:focal_gamma=1",
        "focal:focal_alpha=0.25:focal_gamma=2",
        "focal:focal_alpha=0.5:focal_gamma=1",
        "focal:focal_alpha=0.5:focal_gamma=2",
    ]


def test_values_are_numbers_words_and_none():
    _, arm = parse_arms(["bce", "focal:anchors=auto:ema=None:eval-period=2"], "as_is")
    expected = {"confidence_loss": "focal", "anchors": "auto", "ema": None, "eval_period": 2}
    assert dict(arm.overrides) == expected


def test_the_protocol_of_all_stands_in_each_name_but_bces():
    arms = parse_arms(["bce", "focal", "ohem:protocol=as_is"], "matched")
    assert [(arm.name, arm.protocol) for arm in arms] == [
        ("bce", "as_is"),
        ("focal:protocol=matched", "matched"),
        ("ohem:protocol=as_is", "as_is"),
    ]


def test_every_arm_of_a_tuned_study_is_tuned():
    arms = parse_arms(["bce", "focal", "ohem:protocol=as_is"], "tuned")
    assert [(arm.name, arm.protocol) for arm in arms] == [
        ("bce:protocol=tuned", "tuned"),
        ("focal:protocol=tuned", "tuned"),
        ("ohem:protocol=as_is", "as_is"),
    ]


def test_one_loss_by_both_protocols_is_two_arms():
    arms = parse_arms(["focal", "focal:protocol=matched"], "as_is")
    assert len({arm.folder for arm in arms}) == 2


def test_the_reference_given_twice_has_a_control():
    bce, control, focal = parse_arms(("bce", "bce", "focal"), "as_is")
    assert (control.name, control.folder) == ("bce control", "bce_control")
    assert [arm.is_control for arm in (bce, control, focal)] == [False, True, False]
    assert control.config(Config(), 3) == bce.config(Config(), 3)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["bce"], "needs at least two arms"),
        (["bce", "bce", "bce"], "bce and bce are the same arm"),
        (["bce", "ohem", "ohem"], "ohem and ohem are the same arm; only the reference"),
        (["focal", "focal:focal_gamma=2"], "focal and focal:focal_gamma=2 are the same arm"),
        (["bce", "vocal"], "--arms vocal: --confidence-loss is 'vocal'"),
        (["bce", "focal:focal_gama=2"], "did you mean 'focal_gamma'"),
        (["bce", "focal:focal_gamma"], "found 'focal_gamma', expected name=value"),
        (["bce", "focal:focal_gamma=1,"], "found 'focal_gamma=1,'"),
        (["bce", "focal:focal_gamma=-1"], "--focal-gamma is -1"),
        (["bce", "focal:focal_gamma=1:focal_gamma=2"], "given twice"),
        (["bce", "focal:seed=1"], "unknown setting 'seed'"),
        (["bce", "focal:workers=4"], "unknown setting 'workers'"),
        (["bce", "focal:cache=ram"], "unknown setting 'cache'"),
        (["bce", "focal:protocol=fair"], "found protocol 'fair', expected as_is, matched or tuned"),
        (["bce", "focal:protocol=matched:confidence_gain=4"], "do not set it"),
    ],
)
def test_mistakes_are_reported(texts, message):
    with pytest.raises(UserError) as error:
        parse_arms(texts, "as_is")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@given(
    st.lists(st.sampled_from(["0.1", "0.25", "0.5", "1"]), min_size=1, unique=True),
    st.lists(st.sampled_from(["0.5", "1", "1.5"]), min_size=1, unique=True),
)
def test_folders_of_a_grid_are_distinct_and_plain(alphas, gammas):
    grid = f"focal:focal_alpha={','.join(alphas)}:focal_gamma={','.join(gammas)}"
    folders = [arm.folder for arm in parse_arms(["bce", grid], "as_is")]
    assert len(set(folders)) == 1 + len(alphas) * len(gammas)
    assert all(not set(folder) & set('/\\:*?"<>| ') for folder in folders)
