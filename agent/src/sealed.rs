//! Secrets between their uses. What the agent keeps for hours is encrypted in its memory, and in the clear only
//! while it is sent or stored.
//!
//! The idea is that of OpenSSH's shielded keys: the key is the hash of a large random block, which is made once
//! for each process. Attacks that read memory through a side channel (Spectre, Rowhammer and their like) read
//! slowly and with errors, and one wrong bit of the block makes another key. The block lies where the system
//! guards memory best, see [`Guard`].

mod guard;
#[cfg(target_os = "linux")]
#[path = "sealed/linux.rs"]
mod memory;
#[cfg(all(unix, not(target_os = "linux")))]
#[path = "sealed/unix.rs"]
mod memory;
#[cfg(windows)]
#[path = "sealed/windows.rs"]
mod memory;
#[cfg(unix)]
mod pages;

use std::sync::{Arc, LazyLock, Weak};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use secrecy::SecretString;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

pub(crate) use self::guard::Guard;

/// As much as OpenSSH takes for its shielded keys.
const BLOCK: usize = 16 * 1024;
/// Of AES-256.
const KEY: usize = 32;
/// Secrets are filled up with zeros to a multiple of this. AES-GCM keeps a last block that is not full in a buffer of
/// its own, from which nobody wipes it; and the length of a secret is nobody's business either.
const FILLED: usize = 64;

static VAULT: LazyLock<Vault> = LazyLock::new(Vault::new);

/// How the secrets of this process are guarded.
pub(crate) fn guard() -> Guard {
    VAULT.guard
}

/// The block of this process. It is never given back, and ends with the process.
struct Vault {
    block: &'static [u8],
    guard: Guard,
}

impl Vault {
    fn new() -> Self {
        let (block, guard) = memory::reserve(BLOCK);
        getrandom::fill(block).expect("the system has random numbers, which TLS needs as well");
        Self { block, guard }
    }

    fn key(&self) -> RandomizedNonceKey {
        let mut hash = Zeroizing::new([0; 64]);
        Sha512::new_with_prefix(self.block).finalize_into((&mut *hash).into());
        RandomizedNonceKey::new(&AES_256_GCM, &hash[..KEY]).expect("the key has the length of the algorithm")
    }
}

/// A secret that is encrypted in memory. Clones share it; it is gone when the last one is dropped. `Debug` tells
/// nothing of it.
#[derive(Clone)]
pub(crate) struct Sealed(Arc<Item>);

/// Knows a sealed secret as long as somebody else keeps it.
pub(crate) struct Acquaintance(Weak<Item>);

struct Item {
    nonce: [u8; 12],
    /// Of the secret.
    length: usize,
    /// With the tag behind it.
    cipher: Vec<u8>,
}

impl Sealed {
    /// Encrypts the secret in its own place, so that nothing of it is left there.
    pub(crate) fn new(secret: impl Into<String>) -> Self {
        let mut cipher = secret.into().into_bytes();
        let length = cipher.len();
        cipher.resize(length.next_multiple_of(FILLED), 0);
        let nonce = VAULT.key().seal_in_place_append_tag(Aad::empty(), &mut cipher);
        let nonce = *nonce.expect("a secret is shorter than the limit of the algorithm").as_ref();
        Self(Arc::new(Item { nonce, length, cipher }))
    }

    /// The secret itself, for as long as it is needed. Every use is a place to check for leaks.
    ///
    /// # Panics
    /// Where the memory of this process has changed by itself.
    pub(crate) fn open(&self) -> SecretString {
        let mut bytes = Zeroizing::new(self.0.cipher.clone());
        let nonce = Nonce::assume_unique_for_key(self.0.nonce);
        let clear = VAULT.key().open_in_place(nonce, Aad::empty(), &mut bytes);
        let clear = clear.expect("memory keeps what was sealed in it");
        SecretString::from(std::str::from_utf8(&clear[..self.0.length]).expect("a text was sealed"))
    }

    /// Does not keep the secret alive.
    pub(crate) fn acquaintance(&self) -> Acquaintance {
        Acquaintance(Arc::downgrade(&self.0))
    }
}

impl Acquaintance {
    /// The secret, if somebody still keeps it.
    pub(crate) fn meet(&self) -> Option<Sealed> {
        self.0.upgrade().map(Sealed)
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn what_is_sealed_is_opened_and_looks_like_nothing_in_between() {
        for secret in ["", "canary", &"x".repeat(64), &"x".repeat(10_000), "pässword \u{0}\n"] {
            let sealed = Sealed::new(secret);
            assert_eq!(sealed.open().expose_secret(), secret);
            assert_eq!(sealed.clone().open().expose_secret(), secret);
            let inside = String::from_utf8_lossy(&sealed.0.cipher);
            assert!(secret.is_empty() || !inside.contains(secret));
            assert_eq!(format!("{sealed:?}"), "Sealed(redacted)");
        }
    }

    #[test]
    fn one_secret_sealed_twice_looks_different_each_time() {
        let (one, other) = (Sealed::new("canary"), Sealed::new("canary"));
        assert!(one.0.cipher != other.0.cipher && one.0.nonce != other.0.nonce);
    }

    #[test]
    fn another_block_opens_nothing() {
        let sealed = Sealed::new("canary");
        let mut copy = VAULT.block.to_vec();
        copy[BLOCK - 1] ^= 1;
        let other = Vault { block: copy.leak(), guard: Guard::None };
        let mut bytes = sealed.0.cipher.clone();
        let nonce = Nonce::assume_unique_for_key(sealed.0.nonce);
        assert!(other.key().open_in_place(nonce, Aad::empty(), &mut bytes).is_err());
    }

    #[test]
    fn an_acquaintance_does_not_keep_a_secret() {
        let sealed = Sealed::new("canary");
        let known = sealed.acquaintance();
        assert_eq!(known.meet().unwrap().open().expose_secret(), "canary");
        drop(sealed);
        assert!(known.meet().is_none());
    }

    #[test]
    fn the_block_is_random_and_guarded_where_the_system_allows_it() {
        assert!(VAULT.block.len() == BLOCK && VAULT.block.iter().any(|byte| *byte != 0));
        if cfg!(target_os = "linux") {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
            // Memory of memfd_secret counts as locked too.
            assert_eq!(guard() == Guard::None, locked.trim().starts_with("0 "), "{:?}: {locked}", guard());
        }
    }
}
