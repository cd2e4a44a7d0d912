//! Why a call failed: names for programs, and exit codes for scripts.

pub use crate::v1::Reason;

/// `ErrorInfo.domain` of every error of the agent.
pub const DOMAIN: &str = "agent.seqera.io";

/// The key in `ErrorInfo.metadata` for what the person can do.
pub const HINT: &str = "hint";

/// The key in `ErrorInfo.metadata` that names the profile to sign in, if that would help. The client knows
/// what the person calls the program and which provider is meant, so it words the command.
pub const SIGN_IN: &str = "sign_in";

/// The exit code if there is no agent, or one that this client does not understand (`EX_UNAVAILABLE`).
pub const EXIT_NO_AGENT: u8 = 69;

impl Reason {
    /// The name in `ErrorInfo.reason`, such as `SIGNED_OUT`.
    pub fn name(self) -> &'static str {
        self.as_str_name().trim_start_matches("REASON_")
    }

    /// The reason with this name; `None` for a name of a later version.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::from_str_name(&format!("REASON_{name}"))
    }

    /// The exit code of `seqera` for this reason, as in the table in the README.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Unspecified | Self::UnknownProfile | Self::Forbidden | Self::InUse | Self::TooMany => 1,
            Self::SignedOut | Self::LoginExpired | Self::LoginDenied | Self::OtherHost => 3,
            Self::IssuerUnreachable | Self::LoginTimedOut => 4,
            Self::StoreFailed | Self::KeychainLocked => 5,
            Self::AuthorityMismatch | Self::Misconfigured | Self::BadRequest => 2,
            Self::SignInEndsSoon => 6,
            Self::OtherAgent => EXIT_NO_AGENT,
            Self::Internal => 70,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn every_reason_has_a_name_that_leads_back_to_it() {
        for number in 0.. {
            let Ok(reason) = Reason::try_from(number) else { break };
            assert_eq!(Reason::from_name(reason.name()), Some(reason));
            assert!(!reason.name().starts_with("REASON_"));
        }
        assert_eq!(Reason::from_name("FROM_THE_FUTURE"), None);
    }
}
