//! A question as Bedrock takes it: what we say to the model stands apart, people and model take turns, people first, and
//! no text is empty.

use super::exchange::Question;
use super::{ChatRole, Part};
use crate::media::{Image, ImageKind};
use aws_sdk_bedrockruntime::error::BuildError;
use aws_sdk_bedrockruntime::primitives::Blob;
use aws_sdk_bedrockruntime::types::{
    ContentBlock, ConversationRole, ImageBlock, ImageFormat, ImageSource, InferenceConfiguration, Message,
    SystemContentBlock,
};

/// Stands where a conversation begins with the model's own words.
const NOTHING: &str = "(nothing yet)";

/// The parts of a request.
pub(super) struct Prompt {
    pub(super) system: Option<Vec<SystemContentBlock>>,
    pub(super) messages: Vec<Message>,
    pub(super) limits: InferenceConfiguration,
}

/// Turns a question into a request.
pub(super) fn of(question: Question<'_>) -> Result<Prompt, BuildError> {
    let mut system = Vec::new();
    let mut turns: Vec<(ConversationRole, Vec<ContentBlock>)> = Vec::new();
    for message in &question.request.messages {
        let role = match message.role {
            ChatRole::System => {
                system.extend(message.content.iter().filter_map(text).map(SystemContentBlock::Text));
                continue;
            }
            ChatRole::User => ConversationRole::User,
            ChatRole::Assistant => ConversationRole::Assistant,
        };
        let blocks: Vec<ContentBlock> = message.content.iter().filter_map(block).collect::<Result<_, _>>()?;
        match turns.last_mut() {
            _ if blocks.is_empty() => {}
            Some((last, more)) if *last == role => more.extend(blocks),
            None if role == ConversationRole::Assistant => {
                turns.push((ConversationRole::User, vec![ContentBlock::Text(NOTHING.to_owned())]));
                turns.push((role, blocks));
            }
            _ => turns.push((role, blocks)),
        }
    }
    let message = |(role, blocks)| Message::builder().role(role).set_content(Some(blocks)).build();
    let limits = InferenceConfiguration::builder()
        .max_tokens(i32::try_from(question.request.max_tokens).unwrap_or(i32::MAX))
        .set_temperature(question.request.temperature.filter(|_| question.dialect.has_temperature()))
        .build();
    Ok(Prompt {
        system: Some(system).filter(|system| !system.is_empty()),
        messages: turns.into_iter().map(message).collect::<Result<_, _>>()?,
        limits,
    })
}

fn text(part: &Part) -> Option<String> {
    match part {
        Part::Text(text) if !text.trim().is_empty() => Some(text.clone()),
        _ => None,
    }
}

fn block(part: &Part) -> Option<Result<ContentBlock, BuildError>> {
    match part {
        Part::Text(_) => Some(Ok(ContentBlock::Text(text(part)?))),
        Part::Image(image) => Some(picture(image).map(ContentBlock::Image)),
    }
}

fn picture(image: &Image) -> Result<ImageBlock, BuildError> {
    let format = match image.kind() {
        ImageKind::Png => ImageFormat::Png,
        ImageKind::Jpeg => ImageFormat::Jpeg,
        ImageKind::Gif => ImageFormat::Gif,
        ImageKind::Webp => ImageFormat::Webp,
    };
    ImageBlock::builder().format(format).source(ImageSource::Bytes(Blob::new(image.bytes()))).build()
}
