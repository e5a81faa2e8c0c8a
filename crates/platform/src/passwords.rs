//! Password hashing: a few at a time, in memory that is reused.
//!
//! Argon2 takes 19 MiB for each password. Many passwords at once make others wait, but take no more memory than one
//! after the other.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{Output, PasswordHash, SaltString},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::secret;

/// The most passwords that are hashed at once, however many processors there are.
const MOST_AT_ONCE: usize = 4;
/// The most that wait; beyond that the answer is to try again.
const MOST_WAITING: usize = 256;
/// How long a password waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Too many passwords are being hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// Why a password cannot be hashed or compared now.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many others wait.
    #[error("too many passwords are being checked")]
    Busy,
    /// Argon2 failed.
    #[error("a password cannot be hashed: {0}")]
    Hash(argon2::password_hash::Error),
    /// The thread panicked or was cancelled.
    #[error("the hashing thread failed")]
    Broken(#[from] tokio::task::JoinError),
}

impl From<Busy> for PasswordError {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

/// The service that hashes passwords.
pub struct Passwords {
    at_once: Arc<Semaphore>,
    waiting: Semaphore,
    patience: Duration,
    memory: Arc<Memory>,
    nobody: &'static str,
}

/// A hash that no password matches: a comparison takes as long as with a real one. Made once.
static NOBODY: OnceLock<String> = OnceLock::new();

/// The working memory of Argon2, one block for each concurrent hash. The blocks are kept, because memory of this size
/// that is freed on many threads is not returned to the system.
#[derive(Default)]
struct Memory(Mutex<Vec<Vec<Block>>>);

impl Memory {
    fn borrow<T>(&self, blocks: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        let mut piece = self.kept().pop().unwrap_or_default();
        if piece.len() < blocks {
            piece.resize(blocks, Block::new());
        }
        let done = work(&mut piece[..blocks]);
        self.kept().push(piece);
        done
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.0.lock().expect("no holder of the lock panics")
    }

    /// Hashes a password and compares it with the stored hash.
    fn fits(&self, password: &str, stored: &PasswordHash<'_>) -> Result<bool, argon2::password_hash::Error> {
        let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else { return Ok(false) };
        let algorithm = Algorithm::try_from(stored.algorithm)?;
        let version = stored.version.map(Version::try_from).transpose()?.unwrap_or_default();
        let params = Params::try_from(stored)?;
        let mut bytes = [0; 64];
        let salt = salt.decode_b64(&mut bytes)?;
        let blocks = params.block_count();
        let argon = Argon2::new(algorithm, version, params);
        let output = Output::init_with(expected.len(), |out| {
            let filled = self
                .borrow(blocks, |blocks| argon.hash_password_into_with_memory(password.as_bytes(), salt, out, blocks));
            Ok(filled?)
        })?;
        // The comparison takes constant time.
        Ok(output == expected)
    }
}

/// Argon2id as OWASP recommends it: 19 MiB, two rounds, one lane.
fn hash(password: &str, memory: &Memory) -> Result<String, argon2::password_hash::Error> {
    let salt = SaltString::encode_b64(&secret::random::<16>())?;
    let argon = Argon2::default();
    let mut bytes = [0; 64];
    let raw = salt.as_salt().decode_b64(&mut bytes)?;
    let output = Output::init_with(Params::DEFAULT_OUTPUT_LEN, |out| {
        let filled = memory.borrow(argon.params().block_count(), |blocks| {
            argon.hash_password_into_with_memory(password.as_bytes(), raw, out, blocks)
        });
        Ok(filled?)
    })?;
    Ok(PasswordHash {
        algorithm: Algorithm::default().ident(),
        version: Some(Version::default().into()),
        params: argon.params().try_into()?,
        salt: Some(salt.as_salt()),
        hash: Some(output),
    }
    .to_string())
}

impl Passwords {
    /// As many at once as there are processors, within bounds.
    pub fn new() -> Result<Self, PasswordError> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with(processors.clamp(1, MOST_AT_ONCE), MOST_WAITING, PATIENCE)
    }

    fn with(at_once: usize, waiting: usize, patience: Duration) -> Result<Self, PasswordError> {
        let memory = Memory::default();
        let nobody = match NOBODY.get() {
            Some(nobody) => nobody,
            None => {
                let made = hash(&secret::token(), &memory).map_err(PasswordError::Hash)?;
                NOBODY.get_or_init(|| made)
            }
        };
        let at_once = Arc::new(Semaphore::new(at_once));
        Ok(Self { at_once, waiting: Semaphore::new(waiting), patience, memory: Arc::new(memory), nobody })
    }

    /// Waits for a turn, up to a limit.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, Busy> {
        let _place = self.waiting.try_acquire().map_err(|_| Busy)?;
        let turn = tokio::time::timeout(self.patience, self.at_once.clone().acquire_owned()).await;
        turn.map_err(|_| Busy)?.map_err(|_| Busy)
    }

    /// The hash that the database stores.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        let (turn, memory) = (self.turn().await?, self.memory.clone());
        let hashed = tokio::task::spawn_blocking(move || {
            // The turn ends with the work, even if nobody waits for the result any more.
            let _turn = turn;
            hash(&password, &memory)
        });
        hashed.await?.map_err(PasswordError::Hash)
    }

    /// Whether a password matches a stored hash. It takes as long without a hash (`None`, or one that no password
    /// matches because its owner signs in elsewhere).
    pub async fn fits(&self, password: String, stored: Option<String>) -> Result<bool, PasswordError> {
        let (turn, memory) = (self.turn().await?, self.memory.clone());
        let nobody = self.nobody;
        let compared = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let own = stored.as_deref().and_then(|stored| PasswordHash::new(stored).ok());
            let has_one = own.is_some();
            let against = own.map_or_else(|| PasswordHash::new(nobody), Ok)?;
            Ok(memory.fits(&password, &against)? && has_one)
        });
        compared.await?.map_err(PasswordError::Hash)
    }
}

#[cfg(test)]
mod tests {
    use argon2::{PasswordHasher, PasswordVerifier};

    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_alone() {
        let passwords = Passwords::new().unwrap();
        let stored = passwords.hash("correct horse".into()).await.unwrap();
        let parsed = PasswordHash::new(&stored).unwrap();
        assert!(
            Argon2::default().verify_password(b"correct horse", &parsed).is_ok(),
            "other implementations accept it: {stored}"
        );
        let elsewhere = Argon2::default()
            .hash_password(b"correct horse", &SaltString::encode_b64(b"some other salt").unwrap())
            .unwrap()
            .to_string();
        let table = [
            ("correct horse", Some(stored.clone()), true),
            ("correct horse", Some(elsewhere), true),
            ("correct horsf", Some(stored.clone()), false),
            ("", Some(stored), false),
            ("nobody", None, false),
            ("-", Some("-".into()), false),
            ("", Some(String::new()), false),
        ];
        for (password, stored, fits) in table {
            assert_eq!(passwords.fits(password.into(), stored.clone()).await.unwrap(), fits, "{password} {stored:?}");
        }
    }

    #[tokio::test]
    async fn a_full_queue_is_reported_and_memory_does_not_grow() {
        let passwords = Passwords::with(1, 2, Duration::ZERO).unwrap();
        let turn = passwords.turn().await.unwrap();
        assert!(matches!(passwords.fits("a".into(), None).await, Err(PasswordError::Busy)));
        drop(turn);
        assert!(passwords.fits("a".into(), None).await.is_ok());
        let many = Passwords::with(2, 64, PATIENCE).unwrap();
        let all = futures::future::join_all((0..40).map(|_| many.fits("a".into(), None))).await;
        assert!(all.iter().all(|one| matches!(one, Ok(false))));
        assert!(many.memory.kept().len() <= 2);
        let none = Passwords::with(1, 0, PATIENCE).unwrap();
        assert!(matches!(none.hash("a".into()).await, Err(PasswordError::Busy)));
    }
}
