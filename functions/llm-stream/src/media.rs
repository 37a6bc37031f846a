//! Pictures of a question (C02): fetched by us from public addresses, and given to the model with the question.

use crate::State;
use domain::chat::MediaFile;
use futures_util::future::try_join_all;
use providers::media::Image;
use web::ApiError;

/// Pictures that a question may have.
const MOST: usize = 10;

/// Reads the pictures that a request names.
pub(crate) async fn read(state: &State, files: Vec<MediaFile>) -> Result<Vec<(MediaFile, Image)>, ApiError> {
    if files.len() > MOST {
        return Err(ApiError::invalid("media_files has more than 10 entries"));
    }
    // Nothing is fetched that nobody will look at.
    if !files.is_empty() && !state.chats.llm.has_vision() {
        return Err(ApiError::invalid("The configured language model cannot look at pictures"));
    }
    try_join_all(files.into_iter().enumerate().map(|(number, file)| one(state, number, file))).await
}

async fn one(state: &State, number: usize, file: MediaFile) -> Result<(MediaFile, Image), ApiError> {
    let Some(url) = file.url.as_deref() else {
        return Err(ApiError::invalid(format!("media_files[{number}] has no url")));
    };
    match state.images.fetch(url).await {
        Ok(image) => Ok((file, image)),
        Err(error) => Err(ApiError::invalid(format!("media_files[{number}]: {error}"))),
    }
}
