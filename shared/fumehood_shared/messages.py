"""Every JSON message that crosses the wall of a room, as a frozen pydantic model that rejects unknown fields.

Requests are written by the controller and read by the runner; replies are written by the runner, which is not
trusted, so everything in a reply about a candidate is a *claim*. What the controller believes about a run comes from
the engine and from its own clock, and has no type here.
"""

from enum import StrEnum
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, Field

from fumehood_shared import WIRE_VERSION, caps

ShortText = Annotated[str, Field(max_length=caps.MESSAGE_CHARS)]
LongText = Annotated[str, Field(max_length=caps.TRACEBACK_CHARS)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Seconds = Annotated[float, Field(ge=0)]
Deadline = Annotated[float, Field(gt=0)]
"""Seconds of wall time that the supervisor gives its workers, from the start signal."""
Size = Annotated[int, Field(ge=1, le=2**40)]
"""Of an axis, or of a vocabulary."""
Version = Annotated[int, Field(ge=WIRE_VERSION, le=WIRE_VERSION)]

_T = TypeVar("_T")
Row = Annotated[tuple[_T, ...], FailFast()]
"""A tuple of any length. Its first wrong item ends the reading, because every error that is noted costs memory."""

_SPELLED = Field(strict=False)
"""For the enums of a reply, which is validated after it was read, when they are still the strings of JSON."""


class Message(BaseModel):
    """Base of all messages: immutable, strict about types, no unknown fields, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Task(StrEnum):
    CLASSIFICATION = "classification"
    REGRESSION = "regression"


class InputKind(StrEnum):
    IMAGE = "image"
    """float32, C x H x W."""
    TABULAR = "tabular"
    """float32, F."""
    TOKENS = "tokens"
    """int64, L; 0 is padding."""


class ArraySpec(Message):
    """Shape and type of one array that lies in a file of its own (see ``paths.array_file``)."""

    dtype: Literal["float32", "int64"]
    shape: Annotated[Row[Annotated[int, Field(ge=0, le=2**40)]], Field(min_length=1, max_length=4)]

    @property
    def nbytes(self) -> int:
        size = 4 if self.dtype == "float32" else 8
        for n in self.shape:
            size *= n
        return size


# ---- prepare -----------------------------------------------------------------------------------------------------


class NumberColumn(Message):
    """A numeric column: missing cells become ``fill``, then ``(x - mean) / std``; all three from training rows.

    ``indicator`` says that a 0/1 column "was missing" follows it, which is so if a training row missed it.
    """

    kind: Literal["number"] = "number"
    name: str
    fill: float
    mean: float
    std: Annotated[float, Field(gt=0)]
    indicator: bool = False


class CategoryColumn(Message):
    """A categorical column, one-hot over ``values`` (seen in training rows, sorted); unseen and missing are all 0."""

    kind: Literal["category"] = "category"
    name: str
    values: Row[str]


Column = Annotated[NumberColumn | CategoryColumn, Field(discriminator="kind")]


class TabularEncoding(Message):
    """How rows of a table become vectors: the columns in order, each fitted on training rows only."""

    kind: Literal["tabular"] = "tabular"
    columns: Row[Column]
    zeros: Count = 0
    """So many columns of zeros follow: the folds of a data set have rows of one shape."""


class ImageEncoding(Message):
    """Images are ``(x - mean[c]) / std[c]`` per channel; ``shape`` is C x H x W before and after."""

    kind: Literal["image"] = "image"
    shape: tuple[int, int, int]
    mean: Row[float]
    std: Row[float]


class TokenEncoding(Message):
    """Texts are words and punctuation marks in lower case, each its place in ``vocabulary`` plus 2.

    1 stands for a word that is not in it, 0 for the padding behind a text of fewer than ``length`` tokens; longer ones
    are cut at their end. A text without a token is one unknown word, so that no row is padding alone.
    """

    kind: Literal["tokens"] = "tokens"
    column: str
    """What the text is called in its file."""
    length: Size
    vocabulary: Row[str]
    """Words of the training texts, the most frequent first."""
    zeros: Count = 0
    """So much more padding follows: the folds of a data set have rows of one shape."""

    @property
    def vocab_size(self) -> int:
        return len(self.vocabulary) + 2


Encoding = Annotated[TabularEncoding | ImageEncoding | TokenEncoding, Field(discriminator="kind")]


class TargetEncoding(Message):
    """What the numbers in a target array mean.

    Classification: index into ``classes``. Regression: the targets' own units; ``mean`` and ``std`` (one per target
    column, from training rows) let a trainer standardise, and nothing else uses them.
    """

    name: str
    classes: Row[str] = Field(default=())
    mean: Row[float] = Field(default=())
    std: Row[float] = Field(default=())


class BuiltinSource(Message):
    """A data set that ships with scikit-learn, read from the prepare image."""

    kind: Literal["builtin"] = "builtin"
    name: str


class RowsSource(Message):
    """What files of named columns have in common."""

    target: str
    """The column to predict."""
    task: Task | None = None
    """Said by the user; needed for integer targets with more than 20 values."""
    group: str | None = None
    """Column whose equal values must not be torn apart by the split. Not a feature, and neither is ``time``."""
    time: str | None = None
    """Column of numbers or ISO dates; training gets the oldest rows, test the newest."""


class CsvSource(RowsSource):
    """A CSV file with a header, put under ``in/raw/data.csv``."""

    kind: Literal["csv"] = "csv"


class ParquetSource(RowsSource):
    """A Parquet file, put under ``in/raw/data.parquet``."""

    kind: Literal["parquet"] = "parquet"


class JsonlSource(RowsSource):
    """Lines of JSON, each an object with a text; put under ``in/raw/data.jsonl``."""

    kind: Literal["jsonl"] = "jsonl"
    text: str
    length: Annotated[int, Field(ge=1, le=caps.TOKENS_PER_TEXT)]
    """Tokens of a text at most; longer texts are cut."""


class NpzSource(Message):
    """NumPy arrays, put under ``in/raw/data.npz``; None: the first of the usual names that are there."""

    kind: Literal["npz"] = "npz"
    inputs: str | None = None
    target: str | None = None
    task: Task | None = None


class ImageFormat(StrEnum):
    """How the files of a public image set are written. What each looks like: ``fumehood_runner.prepare.image_sets``."""

    IDX = "idx"
    EMNIST = "emnist"
    CIFAR10 = "cifar10"
    CIFAR100 = "cifar100"
    SVHN = "svhn"
    STL10 = "stl10"


class ImageSetSource(Message):
    """A public image set in the files it is published as, which lie under ``in/raw/`` by their own names."""

    kind: Literal["image_set"] = "image_set"
    format: ImageFormat
    part: Annotated[str, Field(max_length=40)] = ""
    """Which of an archive's sets; EMNIST only."""
    classes: Row[str] = Field(default=())
    """In the order of their indices; empty where the files name them."""


class ImageFolderSource(Message):
    """Images packed into ``in/raw/images.tar``, each as ``PART/CLASS/NAME``.

    ``PART`` is one of ``ImagePart``. New images to predict have the class ``-``.
    """

    kind: Literal["image_folder"] = "image_folder"
    size: Annotated[int, Field(ge=2, le=4096)] | None = None
    """Height and width to bring all images to; None is the most common size among them."""
    ignored: Count = 0
    """Files beside them whose names are not those of images."""


class ImagePart(StrEnum):
    """Which split an image belongs to by the folder it lies in; ``all`` leaves it to the loader."""

    ALL = "all"
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


Source = Annotated[
    BuiltinSource | CsvSource | ParquetSource | JsonlSource | NpzSource | ImageSetSource | ImageFolderSource,
    Field(discriminator="kind"),
]


class PrepareRequest(Message):
    """Load, split, fit the encoders on the training rows, write arrays.

    The split depends on ``split_seed`` and the rows alone. It is stratified by class, unless the source says how rows
    belong together (groups, times) or brings test rows of its own.
    """

    job: Literal["prepare"] = "prepare"
    version: Version = WIRE_VERSION
    source: Source
    split_seed: Count
    validation_fraction: Annotated[float, Field(gt=0, lt=1)]
    test_fraction: Annotated[float, Field(gt=0, lt=1)]
    subset: Annotated[int, Field(ge=caps.SMALLEST_SUBSET)] | None = None
    """Use a stratified subset of that many rows; None uses all."""
    folds: Annotated[int, Field(ge=caps.FEWEST_FOLDS, le=caps.MOST_FOLDS)] | None = None
    """Divide all rows but those for test into so many folds; None leaves training and validation rows as they are."""
    deadline_s: Deadline


class EncodeRequest(Message):
    """Apply encoders fitted by an earlier PrepareRequest to new rows; no split, targets not needed."""

    job: Literal["encode"] = "encode"
    version: Version = WIRE_VERSION
    source: Source
    encoding: Encoding
    deadline_s: Deadline


class Landmarks(Message):
    """How far simple models get on training rows, each left out in turn: shares of the targets' variance, 0 to 1."""

    linear: Annotated[float, Field(ge=0, le=1)]
    """Ridge regression on the inputs."""
    smooth: Annotated[float, Field(ge=0, le=1)]
    """Ridge regression on a Gaussian kernel of them."""


class DataFacts(Message):
    """What the loader found, for humans and planners. Never per-row values."""

    rows: Count
    class_counts: dict[str, Count] = {}
    """Over all rows; empty for regression."""
    missing_cells: dict[str, Count] = {}
    """Column -> number of missing cells, only where there are some."""
    dropped_rows: Count = 0
    """Rows without a target."""
    duplicate_rows_across_splits: Count = 0
    landmarks: Landmarks | None = None
    """None where there are no numbers to fit, or nobody looked."""
    notes: Row[ShortText] = Field(default=())


class Fold(Message):
    """What was fitted on all folds but one, and serves to train without its rows and to ask about them."""

    encoding: Encoding
    target: TargetEncoding


class PrepareReply(Message):
    """Arrays ``{train,validation,test}_{inputs,targets}``; targets int64 N, or float32 N x T.

    With folds each of them has these six, named by ``paths.fold_array``: ``train`` is all other folds, ``validation``
    the fold itself, and ``test`` the same rows for all. The whole data set then has the first fold's ``encoding`` and
    ``target``; its targets for ``train`` and ``validation`` alike are those of all folds, one fold after the other, and
    its only inputs are those for test, encoded as without folds, so that the same rows have the same digest.
    """

    job: Literal["prepare"] = "prepare"
    version: Version = WIRE_VERSION
    task: Annotated[Task, _SPELLED]
    input_kind: Annotated[InputKind, _SPELLED]
    input_shape: Annotated[Row[Size], Field(min_length=1, max_length=3)]
    num_outputs: Annotated[int, Field(ge=1, le=100_000)]
    vocab_size: Size | None = None
    encoding: Encoding
    target: TargetEncoding
    arrays: dict[str, ArraySpec]
    folds: Annotated[Row[Fold], Field(max_length=caps.MOST_FOLDS)] = ()
    facts: DataFacts


class EncodeReply(Message):
    """Array ``inputs``, in the order of the rows in the file."""

    job: Literal["encode"] = "encode"
    version: Version = WIRE_VERSION
    arrays: dict[str, ArraySpec]
    facts: DataFacts


class RefusalKind(StrEnum):
    """Why our loader could not use a data set; the message names the column, the row count, the class."""

    NOT_READABLE = "not_readable"
    NO_TARGET_COLUMN = "no_target_column"
    TOO_FEW_ROWS = "too_few_rows"
    ONE_CLASS = "one_class"
    AMBIGUOUS_TASK = "ambiguous_task"
    BAD_TARGET = "bad_target"
    NO_FEATURES = "no_features"
    WRONG_COLUMNS = "wrong_columns"
    BAD_IMAGES = "bad_images"
    CLASS_MISSING = "class_missing"
    NO_FOLDS = "no_folds"


class Refusal(Message):
    """The data cannot be used, and this is why. The user's mistake, not a crash."""

    job: Literal["refusal"] = "refusal"
    version: Version = WIRE_VERSION
    kind: Annotated[RefusalKind, _SPELLED]
    message: ShortText


# ---- train and predict -------------------------------------------------------------------------------------------


class Recipe(Message):
    """How the standard trainer trains. Every field may be set in a candidate's ``RECIPE`` or by the user."""

    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: Annotated[float, Field(gt=0, le=100)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 1e-2
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """SGD only (Nesterov)."""
    schedule: Literal["constant", "cosine", "one_cycle"] = "cosine"
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Fraction of all steps with linearly rising lr; ``one_cycle`` uses it as its rising part."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 30
    batch_size: Annotated[int, Field(ge=1, le=2**20)] = 64
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    grad_clip: Annotated[float, Field(ge=0)] = 1.0
    """Global L2 norm; 0 turns clipping off."""
    early_stop_fraction: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Slice of the training rows kept back to stop early; 0 turns it off."""
    early_stop_patience: Annotated[int, Field(ge=1)] = 10
    """Epochs without improvement on that slice; the best epoch's weights are kept."""
    augment: Row[Literal["shift", "flip", "noise", "cutout", "mixup"]] = Field(default=())
    mixed_precision: bool = True
    """bfloat16 autocast on a GPU; no effect on a CPU."""


class TensorScale(Message):
    """Mean and std of each regression target over the training rows (TargetEncoding)."""

    mean: Row[float]
    std: Row[float]


class SeedSpec(Message):
    """One repetition: ``seed`` drives initialisation and the trainer's draws, ``order`` the order of the rows."""

    seed: Count
    order: Count


class JobBase(Message):
    version: Version = WIRE_VERSION
    task: Task
    input_kind: InputKind
    input_shape: Annotated[Row[int], Field(min_length=1, max_length=3)]
    num_outputs: Annotated[int, Field(ge=1, le=100_000)]
    vocab_size: int | None = None
    target_scale: TensorScale | None = None
    """Regression: the standard trainer fits standardised targets, and predict puts the scale back."""
    seeds: Annotated[Row[SeedSpec], Field(min_length=1, max_length=caps.SEEDS)]
    device: Literal["cpu", "cuda"] = "cpu"
    threads: Annotated[int, Field(ge=1, le=1024)]
    """CPU threads for the whole room; workers share them out."""
    deterministic: bool = True
    deadline_s: Deadline

    @property
    def at_once(self) -> int:
        """Processes at the same time, one a seed. On a GPU one after another, each with all of its memory."""
        return len(self.seeds) if self.device == "cpu" else 1

    @property
    def may_run_together(self) -> bool:
        """Whether one process is to try all seeds first: on a GPU one small model leaves most of it idle."""
        return self.device == "cuda" and len(self.seeds) > 1


class TrainRequest(JobBase):
    """Build and train ``in/model.py`` on ``/data/{inputs,targets}.bin``."""

    job: Literal["train"] = "train"
    inputs: ArraySpec
    targets: ArraySpec
    overrides: dict[str, int | float | bool | str | list[str]] = {}
    """Recipe fields that the user set explicitly; they win over the candidate's RECIPE. Its own ``train`` is told."""


class PredictRequest(JobBase):
    """Predict ``in/inputs.bin`` with ``in/model.py`` and the weights of each seed."""

    job: Literal["predict"] = "predict"
    inputs: ArraySpec
    handed_over: Annotated[Row[Count], Field(max_length=caps.SEEDS)] = ()
    """Of each seed its place in the train request, by which its weights are found in the hand-over volume; empty where
    weights lie under ``in/``, as sent."""
    batch_size: Annotated[int, Field(ge=1)] = caps.PREDICT_BATCH
    """Rows at a time."""


class FailureKind(StrEnum):
    """How a candidate can fail. A candidate's failure is data: it goes to the history, never to exit code 70."""

    SYNTAX = "syntax"
    IMPORT = "import"
    INTERFACE = "interface"
    SHAPE = "shape"
    NON_FINITE = "non_finite"
    INCONSISTENT = "inconsistent"
    """Equal rows got other answers in other batches, so that it is not the row that is answered."""
    UNSTABLE = "unstable"
    """Answers collapse where inputs change by next to nothing, as those of a table of known inputs do."""
    OOM = "oom"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    HOSTILE_OUTPUT = "hostile_output"


class Failure(Message):
    kind: Annotated[FailureKind, _SPELLED]
    message: ShortText
    traceback: LongText = ""
    line: int | None = None
    """Line of the candidate's source, where one is known."""


class LayerSummary(Message):
    name: str = Field(max_length=200)
    type: str = Field(max_length=100)
    output_shape: str = Field(max_length=200)
    parameters: Count
    bytes: Count


class ModelSummary(Message):
    """What building the model showed: one row per leaf module, in the order of the dummy batch's forward pass."""

    layers: Annotated[Row[LayerSummary], Field(max_length=caps.SUMMARY_LAYERS)]
    parameters: Count
    bytes: Count
    omitted_layers: Count = 0


class TrainSlice(Message):
    """How a trained model answers a slice of its training rows: in eval mode, without augmentation or label smoothing.

    The same rows for every seed. Where training kept rows back to stop early, some of those may be among them. A number
    that is not finite, or beyond ``caps.TRAIN_SLICE_NUMBER``, is None.
    """

    rows: Annotated[int, Field(ge=1, le=caps.TRAIN_SLICE_ROWS)]
    loss: Annotated[float, Field(ge=0, le=caps.TRAIN_SLICE_NUMBER)] | None
    """Classification: mean cross-entropy in nats. Regression: root mean squared error in the targets' own units."""
    accuracy: Annotated[float, Field(ge=0, le=1)] | None = None
    """Classification only."""
    r2: Annotated[float, Field(ge=-caps.TRAIN_SLICE_NUMBER, le=1)] | None = None
    """Regression only. Of several targets the mean, as of the loss."""


class WorkerReport(Message):
    """One seed's own story, written by the process that ran the candidate. All of it is a claim."""

    index: Count
    failure: Failure | None = None
    summary: ModelSummary | None = None
    recipe: Recipe | None = None
    """The recipe as used, overrides applied; None when the candidate brings its own ``train``."""
    own_train: bool = False
    own_predict: bool = False
    epochs: Count = 0
    train_loss: Annotated[Row[float], Field(max_length=caps.CURVE_POINTS)] = ()
    held_out_loss: Annotated[Row[float], Field(max_length=caps.CURVE_POINTS)] = ()
    """On the early-stop slice of the training rows, where there is one."""
    train_slice: TrainSlice | None = None
    """None where it could not be had, and in journals of versions that did not look."""
    no_train_slice_because: ShortText = ""
    build_s: Seconds = 0.0
    train_s: Seconds = 0.0
    predict_s: Seconds = 0.0
    started_after_s: Seconds = 0.0
    """From the start signal to the first training step."""
    seeds_ran: Literal["alone", "together"] = "alone"
    """``together``: in one process on a GPU, their models trained as one."""
    alone_because: ShortText = ""
    """Why seeds that might have run together did not."""


class JobReply(Message):
    """Written by the supervisor after every worker is dead: one report per seed, in the order of the request.

    Where a worker left no readable report the supervisor writes one with the failure it saw (exit code, signal,
    deadline).
    """

    job: Literal["train", "predict"]
    version: Version = WIRE_VERSION
    reports: Annotated[Row[WorkerReport], Field(max_length=caps.SEEDS)]
    wall_s: Seconds


class HandedFile(Message):
    """A weights file in a hand-over volume."""

    name: str = Field(max_length=200)
    bytes: Count
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256, hexadecimal."""


class HandedOver(Message):
    """What a predict room finds in its hand-over volume before it has run, or been sent, anything of a candidate's.

    Its supervisor only counts and digests bytes there; so this is as trustworthy as its attestation.
    """

    files: Annotated[Row[HandedFile], Field(max_length=caps.SEEDS)]


# ---- attestation -------------------------------------------------------------------------------------------------


class MountFact(Message):
    path: str = Field(max_length=4096)
    fstype: str = Field(max_length=100)
    options: Annotated[Row[str], Field(max_length=100)]
    kind: Literal["file", "folder", "socket", "device", "other"] | None = None
    """What lies at ``path``; None where it may not be looked at."""


class GpuFact(Message):
    """A GPU that the driver lists."""

    uuid: str = Field(max_length=100)
    nodes: Annotated[Row[str], Field(max_length=16)]
    """Names under /dev through which it is reached, there or not."""


class Attestation(Message):
    """What the supervisor sees of its own cage before any foreign byte arrives; compared with the policy."""

    version: Version = WIRE_VERSION
    role: Literal["prepare", "train", "predict"]
    uid: int
    gid: int
    groups: Annotated[Row[int], Field(max_length=100)]
    no_new_privs: int | None
    """None where the kernel shows no such line (gVisor)."""
    seccomp: int | None
    cap_effective: str = Field(max_length=40)
    cap_permitted: str = Field(max_length=40)
    cap_inheritable: str = Field(max_length=40)
    cap_bounding: str = Field(max_length=40)
    cap_ambient: str = Field(max_length=40)
    interfaces: Annotated[Row[str], Field(max_length=100)]
    mounts: Annotated[Row[MountFact], Field(max_length=500)]
    devices: Annotated[Row[str], Field(max_length=500)]
    """Names under /dev, two levels deep."""
    rlimits: dict[str, tuple[int, int]]
    """``nofile fsize core nproc`` -> (soft, hard); -1 is unlimited."""
    pid: int
    dumpable: int
    environment: Annotated[Row[str], Field(max_length=200)]
    """Names of the variables of the supervisor, not their values."""
    root_writable: bool
    exchange_bytes: int
    handover_bytes: int
    """0 where the room has no hand-over volume."""
    memory_limit: int | None
    """Bytes, from the cgroup where it is visible; None where it is not."""
    pids_limit: int | None
    hostname: str = Field(max_length=200)
    kernel: str = Field(max_length=200)
    gpus: Annotated[tuple[GpuFact, ...], Field(max_length=64)] | None
    """As the driver lists them in /proc, which may be all of the host's; None where it shows no list."""
    cuda: str | None = Field(max_length=500)
    """``works``, or what went wrong when CUDA was tried in a process of its own; None where there is no GPU."""
    confinement: str | None = Field(max_length=200)
    """Label of this process under AppArmor or SELinux; None where the kernel shows none."""
    versions: dict[str, str]
    """python, torch and so on."""
