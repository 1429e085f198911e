"""CropTransformer: objects cut out of photographs, inside a Pipeline."""

from numbers import Integral, Real
from typing import Any

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from sklearn_kpd._common.sklearn import Interval, StrOptions
from sklearn_kpd.photographs._reading import COLORS
from sklearn_kpd.photographs._tables import check_photographs, check_there
from sklearn_kpd.photographs.crops import Crops


class CropTransformer(TransformerMixin, BaseEstimator):
    """Cut objects out of photographs, and remember the way back.

    Put it first in a Pipeline that ends in `KeypointRegressor`, with or without an
    `AugmentTransformer` in between. X is a table of photographs, one row an object; y and what is
    predicted are pixels of the photographs. Augmentation and crop are one warp from the
    photograph's own pixels: what a rotation brings into the frame is the photograph.

    Photographs are shown as a viewer shows them, after the turn that their EXIF data asks for.

    Parameters
    ----------
    size : int or (int, int), default=96
        Side of the crop in pixels, or its height and width.
    margin : float, default=0.2
        Share of the box's side that is added at each side.
    keep_aspect : bool, default=True
        Whether the box is enlarged to the shape of the crop, so that nothing is distorted; else it
        is stretched to it.
    color : {"gray", "rgb"}, default="gray"
        Channels of the crop.
    border : {"replicate", "reflect"} or float, default="replicate"
        What lies beyond the photograph: its edge, its mirror image, or a grey level in 0..255.

    Attributes
    ----------
    frame_ : (int, int)
        Height and width of the crops.

    See Also
    --------
    KeypointRegressor : Takes the crops, and brings predictions back to the photographs.

    Notes
    -----
    X is a DataFrame with the column ``path``, or ``image`` for arrays of uint8, and the box of
    each object in ``left``, ``top``, ``right``, ``bottom``: edges in pixels as in the slice
    ``photograph[top:bottom, left:right]``; without a box, or where it is NaN, the whole photograph
    is taken. With a column ``frame`` the path is that of a video where there is a number, see
    `read_video`. A list of paths, or of arrays of any sizes, does as well.

    .. versionadded:: 0.2

    Examples
    --------
    >>> from sklearn.pipeline import Pipeline
    >>> from sklearn_kpd import CropTransformer, KeypointRegressor
    >>> from sklearn_kpd.datasets import make_faces
    >>> X, y = make_faces(20, random_state=0)
    >>> pipe = Pipeline([
    ...     ("crop", CropTransformer(size=48, margin=0)),
    ...     ("regressor", KeypointRegressor("cnn", epochs=1, verbose=0, random_state=0)),
    ... ])
    >>> pipe.fit(list(X), y).predict(list(X)).shape
    (20, 30)
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "size": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "margin": [Interval(Real, -0.5, None, closed="neither")],
        "keep_aspect": ["boolean"],
        "color": [StrOptions(set(COLORS))],
        "border": [StrOptions({"replicate", "reflect"}), Interval(Real, 0, 255, closed="both")],
    }

    def __init__(
        self,
        size: Any = 96,
        *,
        margin: float = 0.2,
        keep_aspect: bool = True,
        color: str = "gray",
        border: Any = "replicate",
    ) -> None:
        self.size = size
        self.margin = margin
        self.keep_aspect = keep_aspect
        self.color = color
        self.border = border

    def fit(self, X: Any, y: Any = None) -> "CropTransformer":
        """Check the parameters and the table.

        Parameters
        ----------
        X : DataFrame, or list of paths or arrays
            Photographs.
        y : object, default=None
            Not used.

        Returns
        -------
        self
        """
        self._validate_params()
        check_photographs(X)
        self.frame_ = self._frame()
        return self

    def transform(self, X: Any) -> Crops:
        """Hand the photographs on, with what is to be cut out of each.

        Parameters
        ----------
        X : DataFrame, or list of paths or arrays
            Photographs.

        Returns
        -------
        Crops
            For `AugmentTransformer` and `KeypointRegressor`.

        Raises
        ------
        PhotographError
            If a photograph is not there.
        ValueError
            For a table that is none; the message names the row.
        """
        check_is_fitted(self)
        photographs = check_photographs(X)
        check_there(photographs)
        return Crops(
            photographs,
            self.frame_,
            margin=float(self.margin),
            keep_aspect=bool(self.keep_aspect),
            color=self.color,
            border=self.border,
        )

    def _frame(self) -> tuple[int, int]:
        sides = (self.size, self.size) if isinstance(self.size, Integral) else tuple(self.size)
        if len(sides) != 2 or not all(isinstance(s, Integral) and int(s) > 0 for s in sides):
            raise ValueError(
                f"size={self.size!r} must be a whole number of pixels, or (height, width)."
            )
        return int(sides[0]), int(sides[1])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags
