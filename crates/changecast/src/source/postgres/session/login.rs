//! Opens a session: says what values have to look like, and proves who we are.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{self, ChannelBinding, ScramSha256};
use tokio::time::timeout;

use super::{Session, malformed, message, put_text, server_error, text_message};
use crate::limits;
use crate::source::SourceError;
use crate::source::postgres::config::PostgresConfig;
use crate::source::postgres::dial::Socket;
use crate::source::postgres::errors::{Failure, explain, operator};

/// Version 3.0 of the protocol.
const PROTOCOL: i32 = 196_608;

/// How values are written, whatever the server's and the role's settings are; and that the server
/// asks now and then whether we are there, which tells us that it is.
const PARAMETERS: [(&str, &str); 9] = [
    ("replication", "database"),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO"),
    ("IntervalStyle", "iso_8601"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    ("statement_timeout", "20s"),
    ("wal_sender_timeout", "30s"),
];

impl Session {
    /// Logs in on a connection that is open.
    pub(in crate::source::postgres) async fn log_in(
        socket: Box<dyn Socket>,
        config: &PostgresConfig,
    ) -> Result<Self, SourceError> {
        let mut session = Self { socket, buffer: BytesMut::new() };
        let logging_in = timeout(limits::POSTGRES_CONNECT_TIMEOUT, session.start_up(config));
        match logging_in.await {
            Ok(Ok(())) => Ok(session),
            Ok(Err(LoginError::Server(failure))) => Err(explain(config, failure)),
            Ok(Err(LoginError::Unsupported(error))) => Err(error),
            Err(_) => Err(explain(config, Failure::Broken("no answer".into()))),
        }
    }

    async fn start_up(&mut self, config: &PostgresConfig) -> Result<(), LoginError> {
        let mut message = BytesMut::new();
        message.put_i32(0);
        message.put_i32(PROTOCOL);
        let own = [
            ("user", &*config.user),
            ("database", &*config.database),
            ("application_name", &*config.slot),
        ];
        for (name, value) in own.into_iter().chain(PARAMETERS) {
            put_text(&mut message, name);
            put_text(&mut message, value);
        }
        message.put_u8(0);
        self.write(with_length(message)).await?;
        loop {
            let frame = self.frame().await?;
            match frame.tag {
                b'R' => self.authenticate(frame.body, config).await?,
                b'E' => return Err(server_error(&frame.body).into()),
                b'Z' => return Ok(()),
                _ => {}
            }
        }
    }

    async fn authenticate(
        &mut self,
        mut body: Bytes,
        config: &PostgresConfig,
    ) -> Result<(), LoginError> {
        let password = || {
            config.password.as_deref().ok_or_else(|| {
                LoginError::Unsupported(operator(
                    format!("{} asks for a password", config.place()),
                    "put it into the source's URL: postgres://user:password@host/database",
                ))
            })
        };
        match body.try_get_i32().map_err(|_| malformed())? {
            0 => Ok(()),
            3 => self.write(text_message(b'p', password()?)).await,
            5 => {
                let mut salt = [0; 4];
                body.try_copy_to_slice(&mut salt).map_err(|_| malformed())?;
                let hash = md5_hash(config.user.as_bytes(), password()?.as_bytes(), salt);
                self.write(text_message(b'p', &hash)).await
            }
            10 => return self.authenticate_by_scram(&body, password()?).await,
            kind => {
                return Err(LoginError::Unsupported(operator(
                    format!("{} asks for a login of kind {kind}", config.place()),
                    "let this user log in with scram-sha-256 in the server's pg_hba.conf",
                )));
            }
        }
        .map_err(LoginError::from)
    }

    async fn authenticate_by_scram(
        &mut self,
        offered: &[u8],
        password: &str,
    ) -> Result<(), LoginError> {
        if !offered.split(|byte| *byte == 0).any(|name| name == sasl::SCRAM_SHA_256.as_bytes()) {
            return Err(malformed().into());
        }
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        let mut first = BytesMut::new();
        put_text(&mut first, sasl::SCRAM_SHA_256);
        first.put_i32(i32::try_from(scram.message().len()).unwrap_or(0));
        first.put_slice(scram.message());
        self.write(message(b'p', &first)).await?;
        let challenge = self.sasl_answer(11).await?;
        scram.update(&challenge).map_err(Failure::from)?;
        self.write(message(b'p', scram.message())).await?;
        let outcome = self.sasl_answer(12).await?;
        scram.finish(&outcome).map_err(Failure::from)?;
        Ok(())
    }

    async fn sasl_answer(&mut self, wanted: i32) -> Result<Bytes, Failure> {
        let mut frame = self.frame().await?;
        match frame.tag {
            b'R' if frame.body.try_get_i32() == Ok(wanted) => Ok(frame.body),
            b'E' => Err(server_error(&frame.body)),
            _ => Err(malformed()),
        }
    }
}

/// Why a login failed.
enum LoginError {
    Server(Failure),
    Unsupported(SourceError),
}

impl From<Failure> for LoginError {
    fn from(failure: Failure) -> Self {
        Self::Server(failure)
    }
}

/// Writes the length where a start-up message has it: in front, itself included.
fn with_length(mut message: BytesMut) -> BytesMut {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    if let Some(place) = message.get_mut(..4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    message
}
