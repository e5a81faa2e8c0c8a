//! What can be wrong with an encoder's input.

/// Why something could not be coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The picture has no pixels, or more of them in a row or column than are supported.
    #[error("a picture of {width}×{height} pixels: 1 to {} each way are supported", crate::MAX_SIDE)]
    Size {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// A rectangle does not lie on the picture.
    #[error("the rectangle reaches beyond the picture of {width}×{height} pixels")]
    Rectangle {
        /// Pixels in a row of the picture.
        width: usize,
        /// Rows of the picture.
        height: usize,
    },
    /// There are fewer bytes than the rectangle has.
    #[error("{got} bytes of pixels where the rectangle needs {needed}")]
    Pixels {
        /// Bytes that are there.
        got: usize,
        /// Bytes that are needed.
        needed: usize,
    },
    /// A map of cells belongs to a picture of another size.
    #[error("the cells are those of a picture of another size")]
    Cells,
}
