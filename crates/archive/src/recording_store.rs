//! Where finished recordings are stored: in the data folder, or in an S3-compatible object store. The vault encrypts
//! them first, so the operator of the store cannot read them.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    buffered::BufWriter,
    path::Path as Name,
};
use platform::text::line;
use tokio::{io::AsyncWriteExt, runtime::Handle};

/// Timeout for a request to the store, and for all its retries together.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How many bytes are uploaded in one part.
const PART: usize = 8 * 1024 * 1024;

/// The configuration of an object store.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    pub url: String,
    pub endpoint: Option<String>,
    pub region: String,
    pub key_id: String,
    pub secret: String,
    pub ca: Option<PathBuf>,
}

/// Where finished recordings are stored.
pub enum RecordingStore {
    /// The data folder, where they are made.
    Folder,
    Objects(Objects),
}

/// An object store.
pub struct Objects {
    store: AmazonS3,
    prefix: Name,
    runtime: Handle,
}

/// An object in the store.
#[derive(Clone)]
pub struct Object(Name);

impl RecordingStore {
    /// Reads the configuration. Connects to nothing yet.
    pub fn open(config: Option<&StoreConfig>) -> anyhow::Result<Self> {
        let Some(config) = config else { return Ok(Self::Folder) };
        let rest = config.url.strip_prefix("s3://").context("store_url must look like s3://bucket/folder")?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = config.endpoint.as_deref().is_some_and(|e| e.starts_with("http://"));
        let mut client = ClientOptions::new()
            .with_allow_http(plain)
            .with_timeout(TIMEOUT)
            .with_connect_timeout(Duration::from_secs(5));
        if let Some(path) = &config.ca {
            let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            client = client.with_root_certificate(object_store::Certificate::from_pem(&pem)?);
        }
        let retry = RetryConfig { max_retries: 3, retry_timeout: TIMEOUT, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&config.region)
            .with_access_key_id(&config.key_id)
            .with_secret_access_key(&config.secret)
            .with_client_options(client)
            .with_retry(retry);
        if let Some(endpoint) = &config.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let store = builder.build().context("invalid store configuration")?;
        Ok(Self::Objects(Objects { store, prefix: Name::from(prefix), runtime: Handle::current() }))
    }

    /// Checks that the store can be reached, before a video is made for it.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let Self::Objects(objects) = self else { return Ok(()) };
        let asked = objects.store.list_with_delimiter(Some(&objects.prefix)).await;
        asked.map(drop).map_err(store_error)
    }

    /// Uploads a finished file. The local one stays until [`Self::remove_local`].
    pub async fn upload(&self, file: &Path) -> anyhow::Result<()> {
        let Self::Objects(objects) = self else { return Ok(()) };
        let mut from = tokio::fs::File::open(file).await?;
        let mut to = BufWriter::with_capacity(std::sync::Arc::new(objects.store.clone()), objects.name(file), PART);
        let uploaded = async {
            tokio::io::copy(&mut from, &mut to).await?;
            to.shutdown().await
        };
        if let Err(error) = uploaded.await {
            // An incomplete upload would take up space in the store.
            let _ = to.abort().await;
            return Err(anyhow::Error::from(error).context("upload to the store failed"));
        }
        Ok(())
    }

    /// Removes the local file, once the object store has it.
    pub fn remove_local(&self, file: &Path) -> io::Result<()> {
        match self {
            Self::Folder => Ok(()),
            Self::Objects(_) => ignore_missing(std::fs::remove_file(file)),
        }
    }

    /// Removes a file from the object store.
    pub async fn remove(&self, file: &Path) -> anyhow::Result<()> {
        let Self::Objects(objects) = self else { return Ok(()) };
        match objects.store.delete(&objects.name(file)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(store_error(error)),
        }
    }

    /// Finds an object and its size by its file's name. Blocks, so it must not run on an async thread.
    pub fn find(&self, file: &Path) -> io::Result<Option<(Object, u64)>> {
        let Self::Objects(objects) = self else { return Ok(None) };
        let name = objects.name(file);
        match objects.runtime.block_on(objects.store.head(&name)) {
            Ok(meta) => Ok(Some((Object(name), meta.size))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(io::Error::other(store_error(error))),
        }
    }

    /// Reads bytes of an object. Blocks.
    pub fn read(&self, Object(name): &Object, range: Range<u64>) -> io::Result<Vec<u8>> {
        let Self::Objects(objects) = self else { return Err(io::ErrorKind::NotFound.into()) };
        let got = objects.runtime.block_on(objects.store.get_range(name, range));
        got.map(|bytes| bytes.to_vec()).map_err(|e| io::Error::other(store_error(e)))
    }
}

impl Objects {
    fn name(&self, file: &Path) -> Name {
        let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        self.prefix.clone().join(name)
    }
}

/// Treats a missing file as removed.
fn ignore_missing(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The root cause of an error, for administrators.
fn store_error(error: object_store::Error) -> anyhow::Error {
    use std::error::Error;
    tracing::debug!(%error, "object store request failed");
    let mut cause: &dyn Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    anyhow::anyhow!("the store cannot be used: {}", line(&cause.to_string(), 200))
}
