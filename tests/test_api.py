"""The public face, as a table: what changes here changes for every user.

A name or a parameter that is added needs a line in the changelog; one that goes away, or a default
that becomes another, needs a warning in a version before.
"""

import importlib
import inspect

import pytest

import sklearn_kpd
from tests.test_docs import MODULES

NAMES = {
    "sklearn_kpd": """
        AugmentSampler AugmentTransformer CropTransformer KeypointRegressor __version__ load save
    """,
    "sklearn_kpd.augment": """
        AugmentSampler AugmentTransformer Augmentation AugmentedImages
    """,
    "sklearn_kpd.conformal": """
        ConformalKeypointRegressor conformal_quantile keypoint_scores labels_needed
    """,
    "sklearn_kpd.datasets": """
        load_annotations load_kaggle make_faces make_submission requested_labels save_annotations
    """,
    "sklearn_kpd.exceptions": """
        AnnotationError BrokenFileError ChangedFileError DivergedError NewerFormatError
        NotSaveableError OtherVersionWarning PersistenceError PhotographError UnsafeFileError
        UntrustedTypeError
    """,
    "sklearn_kpd.images": """
        LazyImages as_images grey_level_gain to_grey_levels
    """,
    "sklearn_kpd.inspection": """
        AugmentationDisplay CoverageDisplay CumulativeErrorDisplay HistoryDisplay KeypointDisplay
        KeypointErrorDisplay LabelIssueDisplay MissingLabelDisplay PhotographDisplay
        RegionDisplay RiskCoverageDisplay evaluation_report
    """,
    "sklearn_kpd.keypoints": """
        COCO_KEYPOINTS IBUG_68 KAGGLE_KEYPOINTS Keypoints NAMED_KEYPOINTS WFLW_98 align
        check_keypoints columns_from_names fitted_names flip_permutation from_units in_form_of
        mirror named_keypoints names_from_columns out_of_frame to_units
    """,
    "sklearn_kpd.label_quality": """
        find_label_issues out_of_fold_predictions rank_unlabelled
    """,
    "sklearn_kpd.losses": """
        LOSSES MaskedHuber MaskedLaplace MaskedLoss MaskedMeanSquaredError MaskedWing PixelRMSE
    """,
    "sklearn_kpd.metrics": """
        area_under_cumulative_error area_under_cumulative_error_scorer coverage_score
        cumulative_error_curve error_quantiles failure_rate keypoint_root_mean_squared_error
        make_coverage_scorer make_keypoint_scorer mean_absolute_error mean_squared_error
        neg_failure_rate neg_mean_absolute_error neg_mean_squared_error neg_normalized_mean_error
        neg_root_mean_squared_error normalized_errors normalized_mean_error
        percentage_correct_keypoints percentage_correct_keypoints_scorer r2_score
        root_mean_squared_error
    """,
    "sklearn_kpd.missing": """
        POLICIES apply_policy
    """,
    "sklearn_kpd.model_selection": """
        duplicate_groups labelling_schemes
    """,
    "sklearn_kpd.networks": """
        NETWORKS SpatialSoftArgmax backbone cnn get heatmap
    """,
    "sklearn_kpd.persistence": """
        load save
    """,
    "sklearn_kpd.photographs": """
        BoxFinder CropTransformer Crops find_faces read_video write_video
    """,
    "sklearn_kpd.regressor": """
        KeypointRegressor
    """,
    "sklearn_kpd.serving": """
        ExportedModel
    """,
}
PARAMETERS = {
    "KeypointRegressor": """
        network='heatmap' missing='mask' schemes='pattern' mirrored_outputs=False
        sampling='labels' self_training=0.0 loss='auto'
        optimizer='adamw' learning_rate=0.004 weight_decay=0.01 learning_rate_schedule='cosine'
        batch_size=32 epochs=None validation_split=0.1 weight_average=0.05 patience=10
        mixed_precision=None devices=None tta=None spread='moves' image_shape=None callbacks=None
        warm_start=False
        checkpoint_dir=None verbose=1 random_state=None **routed
    """,
    "AugmentTransformer": """
        rotation=0 scale=0 aspect=0 translation=0 shear=0 crop=0 flip=0 perspective=0 elastic=0
        blur=0 brightness=0 contrast=0 gamma=0 shadow=0 noise=0 cutout=0 patches=0 ops=None
        strength=1 probability=1
        border='replicate' out_of_frame='nan' flip_pairs=None engine='auto' image_shape=None
        random_state=None
    """,
    "AugmentSampler": """
        n_copies=1 rotation=0 scale=0 aspect=0 translation=0 shear=0 crop=0 flip=0
        perspective=0 elastic=0 blur=0 brightness=0 contrast=0 gamma=0 shadow=0 noise=0 cutout=0
        patches=0 ops=None strength=1
        probability=1 border='replicate' out_of_frame='nan' flip_pairs=None engine='auto'
        image_shape=None random_state=None
    """,
    "CropTransformer": """
        size=96 margin=0.2 keep_aspect=True color='gray' border='replicate'
    """,
}


@pytest.mark.parametrize("module", NAMES)
def test_names(module):
    assert sorted(importlib.import_module(module).__all__) == NAMES[module].split()


def test_every_public_module_is_in_the_table():
    assert {f"sklearn_kpd.{module}" for module in MODULES} | {"sklearn_kpd"} == set(NAMES)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_and_their_defaults(name):
    found = [
        f"**{parameter.name}"
        if parameter.kind is parameter.VAR_KEYWORD
        else parameter.name
        if parameter.default is parameter.empty
        else f"{parameter.name}={parameter.default!r}"
        for parameter in inspect.signature(getattr(sklearn_kpd, name)).parameters.values()
    ]
    assert found == PARAMETERS[name].split()
