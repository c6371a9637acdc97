//! Reading a body without letting it grow.

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use http_body_util::LengthLimitError;
use tidings::Error;

use super::problem::Problem;

/// Reads a body of at most `bytes_max` bytes. One that announces more is refused before any of it is read; one that
/// turns out to be more, as soon as it does.
pub(super) async fn read(request: Request, bytes_max: usize) -> Result<Bytes, Problem> {
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > bytes_max as u64) {
        return Err(Problem::too_large(bytes_max));
    }
    axum::body::to_bytes(request.into_body(), bytes_max).await.map_err(|error| {
        let error = Error::from(error);
        if error.find::<LengthLimitError>().is_some() {
            return Problem::too_large(bytes_max);
        }
        Problem::invalid(format!("the body cannot be read: {error}"))
    })
}
