//! Connections to one Redis server, each with its own patience.
//!
//! The client's own time-out is off: a read that waits for a change may take as long as it was told
//! to. Every request here has a limit of its own instead, so that a server that hangs is noticed.

use std::future::Future;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, Pipeline, RedisResult, TlsCertificates,
    Value,
};
use tokio::time::timeout;

use super::config::{RedisConfig, TlsFiles};
use super::errors::Explainer;
use crate::limits;
use crate::source::{SourceError, certificates};

/// One server; nothing is connected yet.
#[derive(Clone)]
pub(super) struct Server {
    client: Client,
    tls: TlsFiles,
    pub(super) explainer: Explainer,
}

impl Server {
    pub(super) fn new(config: &RedisConfig) -> Result<Self, SourceError> {
        let explainer = Explainer { address: config.address() };
        let client = Client::open(config.connection.clone());
        let client = client.map_err(|error| explainer.explain(&error))?;
        Ok(Self { client, tls: config.tls.clone(), explainer })
    }

    /// A client, with the certificates as they are in their files now.
    pub(super) fn client(&self) -> Result<Client, SourceError> {
        if self.tls == TlsFiles::default() {
            return Ok(self.client.clone());
        }
        let root_cert = self.tls.roots.as_deref().map(|path| {
            let pem = certificates::read("sslrootcert", path)?;
            // The client would take a file without any, and then trust nobody.
            certificates::roots_in("sslrootcert", path, &pem).map(|_| pem)
        });
        let client_tls = self.tls.own.as_ref().map(|(certificate, key)| {
            Ok(ClientTlsConfig {
                client_cert: certificates::read("sslcert", certificate)?,
                client_key: certificates::read("sslkey", key)?,
            })
        });
        let certificates = TlsCertificates {
            client_tls: client_tls.transpose()?,
            root_cert: root_cert.transpose()?,
        };
        let connection = self.client.get_connection_info().clone();
        Client::build_with_tls(connection, certificates)
            .map_err(|error| self.explainer.bad_files(&error))
    }

    /// A connection of one's own.
    pub(super) async fn connect(&self) -> Result<Link, SourceError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limits::REDIS_ANSWER_TIMEOUT))
            .set_response_timeout(None);
        let client = self.client()?;
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let connection = self.within(limits::REDIS_ANSWER_TIMEOUT, connecting).await?;
        Ok(Link { connection, server: self.clone() })
    }

    /// What comes within `limit`, or why it did not.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        asking: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, SourceError> {
        match timeout(limit, asking).await {
            Ok(answer) => answer.map_err(|error| self.explainer.explain(&error)),
            Err(_) => Err(self.explainer.silent()),
        }
    }
}

/// One connection. Dropping it ends whatever it waits for, on the server too.
pub(super) struct Link {
    connection: MultiplexedConnection,
    pub(super) server: Server,
}

impl Link {
    /// Asks one thing, which the server may take `limit` to answer.
    pub(super) async fn ask(
        &mut self,
        command: &Cmd,
        limit: Duration,
    ) -> Result<Value, SourceError> {
        let asking = async {
            let answer = self.connection.send_packed_command(command).await?;
            answer.extract_error()
        };
        self.server.within(limit, asking).await
    }

    /// Asks several things of one moment: nobody's command comes in between. An answer may be an
    /// error, of that command alone.
    pub(super) async fn ask_at_once(
        &mut self,
        commands: impl IntoIterator<Item = Cmd>,
    ) -> Result<Vec<Value>, SourceError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("MULTI");
        for command in commands {
            pipeline.add_command(command);
        }
        pipeline.cmd("EXEC");
        let count = pipeline.cmd_iter().count();
        let asking = self.connection.send_packed_commands(&pipeline, 0, count);
        let mut answers = self.server.within(limits::REDIS_READ_TIMEOUT, asking).await?;
        let outcome = answers.pop();
        // A command that is refused before all have been queued says why; EXEC only that one was.
        for queued in answers {
            queued.extract_error().map_err(|error| self.server.explainer.explain(&error))?;
        }
        match outcome {
            Some(Value::Array(outcome)) => Ok(outcome),
            Some(Value::ServerError(refused)) => {
                Err(self.server.explainer.explain(&refused.into()))
            }
            _ => Err(self.server.explainer.senseless("EXEC")),
        }
    }
}
