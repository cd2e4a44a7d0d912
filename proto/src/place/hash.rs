//! Hashes, as all of the contract are written.

use sha2::{Digest, Sha256};

/// Formats bytes in lower-case hexadecimal, as all hashes of the contract are written.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// SHA-256 of a token, as `rejected_sha256` and `SEQERA_EXEC_TOKEN` carry it.
pub fn token_sha256(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}
