//! Hashes, as all of the contract are written.

use sha2::{Digest, Sha256};

/// Formats bytes in lower-case hexadecimal, as all hashes of the contract are written.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// SHA-256 of a token, as `rejected_sha256` and `SEQERA_EXEC_TOKEN` carry it.
pub fn token_sha256(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}
