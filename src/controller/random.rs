//! Random bytes, passed in so that tests are deterministic.

/// A source of random bytes.
pub trait Random: Send + Sync {
    /// 32 unpredictable bytes.
    ///
    /// # Errors
    /// [`NoRandomness`] if the system returns none.
    fn bytes(&self) -> Result<[u8; 32], NoRandomness>;
}

/// The system returned no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system returned no random bytes")]
pub struct NoRandomness;

/// The random number generator of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

// === impl SystemRandom ===

impl Random for SystemRandom {
    fn bytes(&self) -> Result<[u8; 32], NoRandomness> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(bytes)
    }
}
