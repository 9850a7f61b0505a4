//! Real PostgreSQL servers: the shared one, and those of a test's own, to be killed and started
//! again.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::mongod::{of_services, until};
use super::ports::free_port;
use super::soon;

/// The URL of the server that `scripts/services` runs, without a database.
fn shared_postgres() -> String {
    of_services("CHANGECAST_TEST_POSTGRES")
}

/// A PostgreSQL of a test's own, on a port and a directory that it keeps; ended when dropped. The
/// user `postgres` needs no password, others do.
pub(crate) struct Postgres {
    port: u16,
    directory: TempDir,
}

impl Postgres {
    pub(crate) async fn start() -> Self {
        let postgres = Self { port: free_port(), directory: temporary_directory() };
        postgres.initialize();
        postgres.start_again().await;
        postgres
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A new cluster, with an identity of its own.
    fn initialize(&self) {
        let mut initdb = self.command("initdb");
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]);
        run(initdb.arg("--pgdata").arg(self.data()));
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\n\
             wal_level = logical\nshared_buffers = 32MB\nfsync = off\n",
            self.port
        );
        fs::write(self.data().join("postgresql.auto.conf"), settings).expect("a configuration");
        let logins = "host all,replication postgres 127.0.0.1/32 trust\n\
                      host all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(self.data().join("pg_hba.conf"), logins).expect("a configuration");
    }

    /// Another one that has all that this one has, and follows it.
    pub(crate) async fn standby(&self) -> Self {
        let standby = Self { port: free_port(), directory: temporary_directory() };
        let mut backup = self.command("pg_basebackup");
        backup.args(["--username=postgres", "--host=127.0.0.1", "--checkpoint=fast", "--no-sync"]);
        backup.arg(format!("--port={}", self.port)).arg("--write-recovery-conf");
        run(backup.arg("--pgdata").arg(standby.data()));
        standby.configure(&format!("port = {}", standby.port));
        standby.start_again().await;
        standby
    }

    /// Puts this one, which has been ended, on the port of another one, which has been, too.
    pub(crate) async fn take_over(&mut self, other: &Self) {
        self.port = other.port;
        self.configure(&format!("port = {}", self.port));
        self.start_again().await;
    }

    /// Adds a line to the settings; a server that runs has to be started again.
    pub(crate) fn configure(&self, line: &str) {
        let path = self.data().join("postgresql.auto.conf");
        let settings = fs::read_to_string(&path).expect("a configuration");
        fs::write(path, format!("{settings}{line}\n")).expect("a configuration");
    }

    /// Who is let in, and how, before those who are anyway.
    pub(crate) async fn let_in(&self, line: &str) {
        let path = self.data().join("pg_hba.conf");
        let logins = fs::read_to_string(&path).expect("a configuration");
        fs::write(path, format!("{line}\n{logins}")).expect("a configuration");
        self.run("SELECT pg_reload_conf()").await;
    }

    /// Runs SQL in the database `postgres`.
    pub(crate) async fn run(&self, sql: &str) {
        let admin = connect(&self.url("postgres")).await.expect("a connection");
        admin.batch_execute(sql).await.expect(sql);
    }

    /// A directory that the server may write to.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// PostgreSQL refuses to run as root: then it is another user's.
    fn command(&self, program: &str) -> Command {
        Self::as_its_user(PathBuf::from(of_services("CHANGECAST_TEST_POSTGRES_BIN")).join(program))
    }

    fn as_its_user(binary: PathBuf) -> Command {
        let user = of_services("CHANGECAST_TEST_POSTGRES_USER");
        let mut command = if user.is_empty() {
            Command::new(binary)
        } else {
            let mut command = Command::new("setpriv");
            let user = [format!("--reuid={user}"), format!("--regid={user}")];
            command.args(user).arg("--clear-groups").arg(binary);
            command
        };
        command.current_dir("/").env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        command
    }

    /// Starts it on the same port and data; it takes writes when this returns.
    pub(crate) async fn start_again(&self) {
        let mut child = self.spawn();
        let url = self.url("postgres");
        until("a PostgreSQL that takes writes", async || {
            if child.try_wait().expect("a child can be asked").is_some() {
                let log = self.log();
                // The children of the one that was killed are about to notice.
                let is_early = log.contains("pre-existing shared memory block");
                assert!(is_early, "PostgreSQL ended: {log}");
                child = self.spawn();
            }
            connect(&url).await.is_ok()
        })
        .await;
        // Somebody has to take note of its end.
        std::thread::spawn(move || child.wait());
    }

    fn spawn(&self) -> Child {
        let log = File::create(self.directory.path().join("log")).expect("a file");
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        let errors = log.try_clone().expect("a file");
        let child = command.stdout(log).stderr(errors).spawn();
        child.unwrap_or_else(|error| panic!("PostgreSQL: {error}"))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Ends it as a power cut does.
    pub(crate) async fn kill(&self) {
        let Some(pid) = self.pid() else { return };
        // Its children notice, and end by themselves; a new one waits for them.
        let _ = kill_process(pid, Signal::KILL);
        until("the end of PostgreSQL", async || {
            !PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero())).exists()
        })
        .await;
        let _ = fs::remove_file(self.data().join("postmaster.pid"));
    }

    /// Ends it, and puts another on its port that knows nothing of what was there.
    pub(crate) async fn replace(&self) {
        self.kill().await;
        fs::remove_dir_all(self.data()).expect("the data can be removed");
        self.initialize();
        self.start_again().await;
    }

    /// Makes a certificate for `localhost` and offers encryption by it; where the certificate is.
    pub(crate) async fn encrypt(&self) -> PathBuf {
        let (key, certificate) = (self.data().join("server.key"), self.data().join("server.crt"));
        let mut openssl = Self::new_key("localhost", &key, &certificate);
        openssl.args(["-x509", "-days", "2"]);
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        run(openssl.args(["-addext", "subjectAltName=DNS:localhost"]));
        self.offer_encryption().await;
        certificate
    }

    /// The same by an authority of the test's own, which signs the server's certificate; where the
    /// authority's is, and that of another one.
    pub(crate) async fn encrypt_by_authority(&self) -> (PathBuf, PathBuf) {
        let at = |name: &str| self.directory.path().join(name);
        let authority = |name: &str| {
            let (key, certificate) = (at(&format!("{name}.key")), at(&format!("{name}.crt")));
            let mut openssl = Self::new_key(name, &key, &certificate);
            openssl.args(["-x509", "-days", "2"]);
            run(openssl.args(["-addext", "basicConstraints=critical,CA:TRUE"]));
            (key, certificate)
        };
        let (key, root) = authority("ours");
        let (_, other) = authority("other");
        let request = at("server.csr");
        run(&mut Self::new_key("localhost", &self.data().join("server.key"), &request));
        let extensions = at("extensions");
        fs::write(&extensions, "subjectAltName=DNS:localhost\n").expect("a file");
        let mut openssl = Self::as_its_user("openssl".into());
        openssl.args(["x509", "-req", "-days", "2", "-CAcreateserial", "-in"]).arg(&request);
        openssl.arg("-CA").arg(&root).arg("-CAkey").arg(key).arg("-extfile").arg(&extensions);
        run(openssl.arg("-out").arg(self.data().join("server.crt")));
        self.offer_encryption().await;
        (root, other)
    }

    /// Makes a key and, by it, what the options that are added say.
    fn new_key(name: &str, key: &Path, out: &Path) -> Command {
        let mut openssl = Self::as_its_user("openssl".into());
        openssl.args(["req", "-new", "-nodes", "-newkey", "ec"]);
        openssl.args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", &format!("/CN={name}")]);
        openssl.arg("-keyout").arg(key).arg("-out").arg(out);
        openssl
    }

    async fn offer_encryption(&self) {
        self.run("ALTER SYSTEM SET ssl = on").await;
        self.run("SELECT pg_reload_conf()").await;
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// For somebody who has to log in.
    pub(crate) fn url_for(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    fn pid(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        Pid::from_raw(text.lines().next()?.parse().ok()?)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            // An immediate end; it may have ended by itself.
            let _ = kill_process(pid, Signal::QUIT);
        }
    }
}

/// What a test needs has to succeed.
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn temporary_directory() -> TempDir {
    let directory = tempfile::Builder::new().prefix("changecast-postgres-").tempdir();
    let directory = directory.expect("a temporary directory");
    let everybody = fs::Permissions::from_mode(0o777);
    fs::set_permissions(directory.path(), everybody).expect("a directory for all");
    directory
}

async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// A test's own database, and its own connection to it.
pub(crate) struct PostgresDatabase {
    pub(crate) name: String,
    url: String,
    client: tokio::sync::Mutex<Client>,
}

impl PostgresDatabase {
    /// In the shared server.
    pub(crate) async fn new() -> Self {
        Self::at(|name| format!("{}/{name}", shared_postgres()), "").await
    }

    /// One that checks no text.
    pub(crate) async fn new_ascii() -> Self {
        let options = "ENCODING SQL_ASCII LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
        Self::at(|name| format!("{}/{name}", shared_postgres()), options).await
    }

    /// In a server of the test's own.
    pub(crate) async fn on(postgres: &Postgres) -> Self {
        Self::at(|name| postgres.url(name), "").await
    }

    async fn at(url: impl Fn(&str) -> String, options: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("e2e_{}_{number}_{now:x}", std::process::id());
        let admin = soon("PostgreSQL", connect(&url("postgres"))).await;
        let admin = admin.expect("PostgreSQL answers: run `scripts/services up`");
        admin
            .batch_execute(&format!("CREATE DATABASE {name} {options}"))
            .await
            .expect("a database");
        let url = url(&name);
        let client = connect(&url).await.expect("a connection").into();
        let database = Self { name, url, client };
        database.run("CREATE TABLE items (id bigint PRIMARY KEY, n bigint)").await;
        database
    }

    /// As a source that watches `items`, with more options.
    pub(crate) fn source(&self, options: &str) -> String {
        format!("{}?table=items{options}", self.url)
    }

    /// As a source with just these options.
    pub(crate) fn source_with(&self, options: &str) -> String {
        format!("{}?{options}", self.url)
    }

    /// The slot and the publication that changecast makes by itself.
    pub(crate) fn slot(&self) -> String {
        format!("changecast_{}", self.name)
    }

    pub(crate) async fn run(&self, sql: &str) {
        let ran = self.client.lock().await.batch_execute(sql).await;
        ran.unwrap_or_else(|error| panic!("{error:?}: {sql}"));
    }

    /// Whether there is a row with this number in that server's copy of the database.
    pub(crate) async fn is_copied(&self, standby: &Postgres, number: i64) -> bool {
        let Ok(client) = connect(&standby.url(&self.name)).await else { return false };
        let found = client.query_opt("SELECT 1 FROM items WHERE id = $1", &[&number]).await;
        found.is_ok_and(|row| row.is_some())
    }

    /// On a connection to another database.
    pub(crate) async fn run_in_other(&self, url: &str, sql: &str) {
        let client = connect(url).await.expect("a connection");
        client.batch_execute(sql).await.expect(sql);
    }

    /// The first column of the first row, as text.
    pub(crate) async fn ask(&self, sql: &str) -> Option<String> {
        let rows = self.client.lock().await.simple_query(sql).await.expect(sql);
        rows.into_iter().find_map(|row| match row {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(ToOwned::to_owned),
            _ => None,
        })
    }

    /// Runs it once, however often the connection breaks meanwhile; once more does no harm.
    pub(crate) async fn run_surely(&self, sql: &str) {
        until(sql, async || {
            let mut client = self.client.lock().await;
            if client.is_closed()
                && let Ok(anew) = connect(&self.url).await
            {
                *client = anew;
            }
            client.batch_execute(sql).await.is_ok()
        })
        .await;
    }

    /// Inserts the numbers, each in its transaction.
    pub(crate) async fn insert_numbers(&self, numbers: std::ops::Range<i64>) {
        for number in numbers {
            let sql =
                format!("INSERT INTO items VALUES ({number}, {number}) ON CONFLICT DO NOTHING");
            self.run_surely(&sql).await;
        }
    }

    /// All of them in one transaction.
    pub(crate) async fn insert_numbers_at_once(&self, numbers: std::ops::Range<i64>) {
        let (first, last) = (numbers.start, numbers.end - 1);
        self.run_surely(&format!(
            "INSERT INTO items SELECT n, n FROM generate_series({first}, {last}) n
             ON CONFLICT DO NOTHING"
        ))
        .await;
    }
}
