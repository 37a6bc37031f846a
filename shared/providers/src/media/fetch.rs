//! Fetches an image from an address that a user gave, and from nowhere else.
//!
//! The name is resolved by us, and only to addresses of the internet: what is checked is what is connected to. There are
//! no redirects, so there is nothing more to check.

use super::address::is_public;
use super::{Image, ImageKind};
use crate::http::{self, BodyError};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Response, Url};
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::time::timeout;

/// The largest image, in bytes.
pub const MAX_IMAGE: usize = 5 * 1024 * 1024;
/// The longest address, in bytes.
const MAX_URL: usize = 2048;
/// For name, connection, answer and image together.
const PATIENCE: Duration = Duration::from_secs(5);

static PUBLIC_ONLY: LazyLock<Client> =
    LazyLock::new(|| http::build(|client| client.dns_resolver(Arc::new(PublicOnly))));

/// Fetches images that users point at. Clones share connections.
#[derive(Clone, Debug)]
pub struct ImageFetcher {
    public: Client,
    allowed: Arc<[String]>,
    patience: Duration,
}

/// Why there is no image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// The address cannot be one of an image on the internet.
    #[error("the address is not one of https without a user, at the usual port")]
    Address,
    /// The address leads into a private network.
    #[error("the address is not on the public internet")]
    NotPublic,
    /// Nobody is there, or they do not give it.
    #[error("the image cannot be fetched")]
    Unreachable,
    /// It took longer than 5 s.
    #[error("the image did not come in time")]
    TimedOut,
    /// It is larger than [`MAX_IMAGE`].
    #[error("the image is larger than 5 MB")]
    TooLarge,
    /// It is something else, whatever it is called.
    #[error("it is no PNG, JPEG, GIF or WebP image")]
    NotAnImage,
}

impl ImageFetcher {
    /// A fetcher. `allowed` names servers as `host:port` that may also be private, and asked without TLS; there are none
    /// but in tests.
    pub fn new(allowed: impl IntoIterator<Item = String>) -> Self {
        Self { public: PUBLIC_ONLY.clone(), allowed: allowed.into_iter().collect(), patience: PATIENCE }
    }

    /// The image at an address.
    pub async fn fetch(&self, url: &str) -> Result<Image, MediaError> {
        timeout(self.patience, self.get(url)).await.unwrap_or(Err(MediaError::TimedOut))
    }

    async fn get(&self, url: &str) -> Result<Image, MediaError> {
        let url = Some(url).filter(|url| url.len() <= MAX_URL).and_then(|url| Url::parse(url).ok());
        let url = url.ok_or(MediaError::Address)?;
        let client = self.client(&url)?;
        let request = client.get(url).header(ACCEPT, "image/png, image/jpeg, image/gif, image/webp");
        let response = request.send().await.map_err(|error| unreached(&error))?;
        if response.status() != 200 {
            return Err(MediaError::Unreachable);
        }
        read(response).await
    }

    /// Who may ask there.
    fn client(&self, url: &Url) -> Result<Client, MediaError> {
        let host = url.host_str().ok_or(MediaError::Address)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(MediaError::Address);
        }
        let server = url.port_or_known_default().map(|port| format!("{host}:{port}"));
        if matches!(url.scheme(), "http" | "https") && server.is_some_and(|server| self.allowed.contains(&server)) {
            return Ok(http::client());
        }
        if url.scheme() != "https" || url.port().is_some() {
            return Err(MediaError::Address);
        }
        // Addresses are not resolved. Url has brought every way to write one into this form.
        match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) if !is_public(address) => Err(MediaError::NotPublic),
            _ => Ok(self.public.clone()),
        }
    }
}

async fn read(response: Response) -> Result<Image, MediaError> {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !ImageKind::ALL.iter().any(|kind| kind.media_type() == media_type) && media_type != "image/jpg" {
        return Err(MediaError::NotAnImage);
    }
    if response.content_length().is_some_and(|length| length > MAX_IMAGE as u64) {
        return Err(MediaError::TooLarge);
    }
    let bytes = http::body(response, MAX_IMAGE).await.map_err(|error| match error {
        BodyError::TooLong => MediaError::TooLarge,
        BodyError::Broken(_) => MediaError::Unreachable,
    })?;
    Image::of_bytes(bytes).ok_or(MediaError::NotAnImage)
}

fn unreached(error: &reqwest::Error) -> MediaError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(known) = inner.downcast_ref::<MediaError>() {
            return *known;
        }
        cause = inner.source();
    }
    MediaError::Unreachable
}

/// Resolves names to addresses of the internet only.
#[derive(Debug)]
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port comes from the URL.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(MediaError::NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
