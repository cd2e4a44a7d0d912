//! What the system does for the memory of the key.

/// How the system guards the block that the key is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// memfd_secret(2): not even the kernel can read it by its own map of the memory.
    #[cfg(target_os = "linux")]
    Secret,
    /// Locked: it is never written to a swap device.
    Locked,
    /// The system refused both.
    None,
}
