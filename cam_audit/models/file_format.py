"""Names that a CAM-ready ONNX file uses; `graph` writes them and `model` reads them.

Inputs and outputs:
    image        uint8   (N, H, W, 3)  RGB, N, H and W dynamic; the preprocessing is in the graph
    logits       float32 (N, K)        before any softmax
    activations  float32 (N, C, h, w)  the final ReLU before global average pooling
    cam_weight   float32 (K, C)        the classifier's weight; absent where activations[k] is the map of class k
    cam_bias     float32 (K,)          the classifier's bias; absent with cam_weight

A net without cam_weight may have three more, all or none, so that the scores of its classes come apart over channels.
Its last convolution is 1x1: activations = feature_weight @ features + feature_bias in each cell, or the ReLU of that.
    features        float32 (N, C', h, w)  what enters the last convolution
    feature_weight  float32 (K, C')        that convolution's weight
    feature_bias    float32 (K,)           that convolution's bias
Where there is cam_weight, outputs of these names are not looked at.

A file whose metadata `map` is `per-image` has one more. What follows the pooling is not linear there, and `activations`
are its linear form for the image (docs/nets.md); biases and gates give a part of them that no cell has to itself.
    even         float32 (N, C)        the part of the activations that is the same in each cell

The metadata `scores` says what makes probabilities of the logits: `softmax`, the default, or `sigmoid`, where several
classes may be true of an image.

Metadata keys carry the prefix `cam_audit.`; values are strings, `classes`, `class_ids`, `input_size` and
`quantisation` (of an int8 file: how it differs from the float file) JSON.
"""

IMAGE = "image"
LOGITS = "logits"
ACTIVATIONS = "activations"
CAM_WEIGHT = "cam_weight"
CAM_BIAS = "cam_bias"
FEATURES = "features"
FEATURE_WEIGHT = "feature_weight"
FEATURE_BIAS = "feature_bias"
EVEN = "even"
FEATURE_OUTPUTS = (FEATURES, FEATURE_WEIGHT, FEATURE_BIAS)
OUTPUTS = (LOGITS, ACTIVATIONS, CAM_WEIGHT, CAM_BIAS, *FEATURE_OUTPUTS, EVEN)
# The others are the same for every image.
OF_THE_IMAGE = (LOGITS, ACTIVATIONS, FEATURES, EVEN)

METADATA_PREFIX = "cam_audit."
VERSION = "1"
VERSION_KEY = "version"
NET_KEY = "net"
CLASSES_KEY = "classes"
CLASS_IDS_KEY = "class_ids"
INPUT_SIZE_KEY = "input_size"
ACTIVATION_LAYER_KEY = "activation_layer"
SOURCE_SHA256_KEY = "source_sha256"
LICENCE_KEY = "licence"
MAP_KEY = "map"
EXACT, PER_IMAGE = "exact", "per-image"
SCORES_KEY = "scores"
SOFTMAX, SIGMOID = "softmax", "sigmoid"
QUANTISATION_KEY = "quantisation"
