//! Helpers for every part of the program: locks, hexadecimal digits, random numbers.

use std::sync::Mutex;

/// Locks what several threads share, for a moment.
pub fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().expect("no holder of the lock panics")
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A random number that identifies a message within the session.
pub fn random_nonce() -> u32 {
    let mut bytes = [0u8; 4];
    getrandom::fill(&mut bytes).expect("the system has a random source");
    u32::from_be_bytes(bytes)
}

/// 256 random bits as hexadecimal digits.
pub fn random_hex() -> String {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).expect("the system has a random source");
    hex(&bytes)
}

/// Bytes from hexadecimal digits; `None` if they are invalid or have another length.
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    (text.len() == 2 * N && text.is_ascii()).then_some(())?;
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}
