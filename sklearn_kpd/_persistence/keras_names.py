"""The classes of Keras that a file may name, and where Keras has them."""

from collections.abc import Callable
from typing import Any

import keras


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _subclasses(module: Any, base: type) -> frozenset[str]:
    return frozenset(
        name
        for name, item in vars(module).items()
        if isinstance(item, type) and issubclass(item, base)
    )


# Layers that compute, and neither call what they are given, nor read files, nor keep text.
_LAYERS = _words("""
    Activation ActivityRegularization AdaptiveAveragePooling2D AdaptiveMaxPooling2D Add
    AlphaDropout Attention Average AveragePooling2D BatchNormalization CenterCrop Concatenate
    Conv1D Conv2D Conv2DTranspose Cropping2D Dense DepthwiseConv2D Dot Dropout ELU EinsumDense
    Flatten GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
    GlobalMaxPooling1D GlobalMaxPooling2D GroupNormalization GroupQueryAttention Identity
    InputLayer LayerNormalization LeakyReLU MaxPooling2D Maximum Minimum MultiHeadAttention
    Multiply PReLU Permute RMSNormalization ReLU RepeatVector Rescaling Reshape Resizing
    SeparableConv2D Softmax SpatialDropout2D SpectralNormalization Subtract TimeDistributed
    UnitNormalization UpSampling2D ZeroPadding2D
""")
# Layers that models of keras.applications have for themselves.
_APPLICATION_LAYERS = _words("CustomScaleLayer LayerScale")
# What functions of keras.ops on a layer's output are kept as.
_ARRAY_OPERATIONS = _words("""
    Abs Absolute Add Amax Amin Clip Concatenate Cos Cumsum Divide Einsum Equal Exp ExpandDims
    Expm1 Flip GetItem Greater GreaterEqual Less LessEqual Log Log1p LogicalAnd LogicalNot
    LogicalOr Matmul Max Maximum Mean Min Minimum Moveaxis Multiply Negative NotEqual Power
    Reciprocal Reshape Sign Sin Sqrt Square Squeeze Stack Std Subtract Sum Swapaxes Tanh
    Transpose TrueDivide Var Where
""")
_NETWORK_OPERATIONS = _words("""
    Elu Gelu HardSigmoid HardSilu LeakyRelu LogSigmoid LogSoftmax Normalize Relu Relu6 Selu
    Sigmoid Silu Softmax Softplus Softsign
""")
_METRICS = _words("""
    CosineSimilarity LogCoshError Mean MeanAbsoluteError MeanAbsolutePercentageError
    MeanSquaredError MeanSquaredLogarithmicError R2Score RootMeanSquaredError
""")
_INITIALIZERS = _words("""
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform Ones
    Orthogonal RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros
""")

#: Names by module. Those in ``keras.ops`` and ``keras.applications``, and ``keras.Functional``,
#: are ours for `_PRIVATE`.
ALLOWED: dict[str, frozenset[str]] = {
    "keras": _words("DTypePolicy Functional Sequential"),
    "keras.applications": _APPLICATION_LAYERS,
    "keras.constraints": _subclasses(keras.constraints, keras.constraints.Constraint),
    "keras.initializers": _INITIALIZERS,
    "keras.layers": _LAYERS,
    "keras.losses": _subclasses(keras.losses, keras.losses.Loss),
    "keras.metrics": _METRICS,
    "keras.ops": _ARRAY_OPERATIONS | _NETWORK_OPERATIONS,
    # Muon looks for regular expressions of its configuration, which may take for ever.
    "keras.optimizers": _subclasses(keras.optimizers, keras.optimizers.Optimizer) - {"Muon"},
    "keras.optimizers.schedules": _subclasses(
        keras.optimizers.schedules, keras.optimizers.schedules.LearningRateSchedule
    ),
    "keras.regularizers": _subclasses(keras.regularizers, keras.regularizers.Regularizer),
}

# Keras has no public name for these classes: it writes, and wants to read, the module that they
# are defined in. If a later Keras has moved them, saving a network says that a class of
# 'keras.src...' is not among those that a file may name, and loading that Keras cannot build the
# network: add the new place here, and files stay as they are.
_PRIVATE: dict[str, tuple[str, frozenset[str]]] = {
    "keras.src.applications.convnext": ("keras.applications", _words("LayerScale")),
    "keras.src.applications.inception_resnet_v2": (
        "keras.applications",
        _words("CustomScaleLayer"),
    ),
    "keras.src.models.functional": ("keras", _words("Functional")),
    "keras.src.ops.nn": ("keras.ops", _NETWORK_OPERATIONS),
    "keras.src.ops.numpy": ("keras.ops", _ARRAY_OPERATIONS),
}
_TO_PUBLIC = {
    (private, name): public for private, (public, names) in _PRIVATE.items() for name in names
}
_TO_PRIVATE = {
    (public, name): private for private, (public, names) in _PRIVATE.items() for name in names
}


def with_public_names(config: Any) -> Any:
    """Copy of a configuration that Keras has written, as a file holds it.

    Examples
    --------
    >>> from sklearn_kpd._persistence.keras_names import with_public_names
    >>> with_public_names({"module": "keras.src.ops.numpy", "class_name": "Add"})
    {'module': 'keras.ops', 'class_name': 'Add'}
    """
    return _with_modules(config, lambda module, name: _TO_PUBLIC.get((module, name), module))


def with_private_names(config: Any) -> Any:
    """Copy of a configuration from a file, as Keras reads it: the inverse."""
    return _with_modules(config, lambda module, name: _TO_PRIVATE.get((module, name), module))


def _with_modules(node: Any, module_of: Callable[[str, str], str]) -> Any:
    if isinstance(node, (list, tuple)):
        return type(node)(_with_modules(item, module_of) for item in node)
    if not isinstance(node, dict):
        return node
    node = {name: _with_modules(item, module_of) for name, item in node.items()}
    module, name = node.get("module"), node.get("class_name")
    if isinstance(module, str) and isinstance(name, str):
        node["module"] = module_of(module, name)
    return node
