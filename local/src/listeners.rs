//! The ports that clients see.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::http::{self, system};
use crate::settings::Settings;

/// Ports of the clients that came with the task.
const SEED_PORTS: [u16; 2] = [5000, 8004];

/// Why a port cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Someone else has it.
    #[error("port {port} is already in use: another Switchboard may be running; stop it or {advice}")]
    Taken {
        /// The port.
        port: u16,
        /// What else to do.
        advice: String,
    },
    /// The system says no.
    #[error("port {port} cannot be opened")]
    Refused {
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Tells a taken port from other failures; `flag` is the one that chooses the port.
    pub(crate) fn of(port: u16, flag: &str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse if flag == "--seed-ports" => {
                Self::Taken { port, advice: "leave out --seed-ports".to_owned() }
            }
            io::ErrorKind::AddrInUse => Self::Taken { port, advice: format!("choose {flag} N") },
            _ => Self::Refused { port, source },
        }
    }
}

/// Open ports, not served yet: who connects waits.
pub(crate) struct Listeners {
    listeners: Vec<TcpListener>,
    pub(crate) port: u16,
}

impl Listeners {
    /// Opens `port` (0 for any) and, if asked, the seeds' ports, for this machine only.
    pub(crate) async fn open(settings: &Settings) -> Result<Self, Error> {
        let mut listeners = Vec::new();
        let port = open(&mut listeners, settings.port, "--port").await?;
        if settings.seed_ports {
            for other in SEED_PORTS.into_iter().filter(|other| *other != port) {
                open(&mut listeners, other, "--seed-ports").await?;
            }
        }
        Ok(Self { listeners, port })
    }

    /// Serves all ports until told to stop.
    pub(crate) fn serve(self, router: &Router, stop: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
        let serve = |listener| {
            let (router, stop) = (router.clone(), stop.clone());
            system::spawn(async move {
                if let Err(error) = http::serve(listener, router, stopped(stop)).await {
                    tracing::error!(%error, "a port is no longer served");
                }
            })
        };
        self.listeners.into_iter().map(serve).collect()
    }
}

/// `localhost` is IPv6 first for many programs, so both loopback addresses are served where there are both.
async fn open(listeners: &mut Vec<TcpListener>, port: u16, flag: &str) -> Result<u16, Error> {
    let failed = |error| Error::of(port, flag, error);
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    listeners.push(listener);
    match TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await {
        Ok(listener) => listeners.push(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(failed(error)),
        // No IPv6 here.
        Err(_) => {}
    }
    Ok(port)
}

/// Ends when the local cloud stops.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone stops as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_said_with_what_to_do() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = open(&mut Vec::new(), port, "--port").await.unwrap_err();
        let expected =
            format!("port {port} is already in use: another Switchboard may be running; stop it or choose --port N");
        assert_eq!(error.to_string(), expected);
    }
}
