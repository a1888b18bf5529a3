//! Approval by annotation: a user approves what the status says is pending, by the token there.
//!
//! The token depends on the object, the step, and a nonce that only the status holds. So neither an annotation that is kept
//! in Git, nor one that a restored object brings along, approves anything for another object or another step.

use crate::{api::job::PendingApproval, formats::approval_token};

/// Whether a step is approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// The user approved exactly this step of this object.
    Given,
    /// The status has to ask for it.
    Pending(PendingApproval),
}

/// Whether the annotation of the object `uid` approves `step`, of which `pending` in its status may have asked for approval.
/// `nonce`: random hex digits, for a step that was not asked for yet. `reason`: what is approved, for people.
pub fn approval(
    (uid, step, reason): (&str, &str, String),
    pending: Option<&PendingApproval>,
    annotation: Option<&str>,
    nonce: &str,
) -> Approval {
    // What another object, or another step, asked for is asked again.
    let asked = pending
        .filter(|asked| !asked.nonce.is_empty() && asked.token == approval_token(uid, step, &asked.nonce));
    match asked {
        Some(asked) if annotation == Some(&asked.token) => Approval::Given,
        Some(asked) => Approval::Pending(PendingApproval { reason, ..asked.clone() }),
        None => {
            let token = approval_token(uid, step, nonce);
            Approval::Pending(PendingApproval { token, reason, nonce: nonce.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(uid: &str, step: &str, pending: Option<&PendingApproval>, annotation: Option<&str>) -> Approval {
        approval((uid, step, "why".to_owned()), pending, annotation, "0123456789abcdef")
    }

    fn pending(approval: Approval) -> PendingApproval {
        match approval {
            Approval::Pending(pending) => pending,
            Approval::Given => panic!("given"),
        }
    }

    #[test]
    fn only_the_token_in_the_status_approves() {
        let first = pending(ask("u", "restore b", None, None));
        let token = first.token.clone();
        assert_eq!(ask("u", "restore b", Some(&first), Some(&token)), Approval::Given);
        for wrong in [None, Some(""), Some("0"), Some("true")] {
            assert_eq!(pending(ask("u", "restore b", Some(&first), wrong)), first);
        }
        // The status was lost, the object made again, or the step is another one.
        let nonce = "fedcba9876543210";
        let again = approval(("u", "restore b", "why".to_owned()), None, Some(&token), nonce);
        assert_ne!(pending(again).token, token);
        for (uid, step) in [("v", "restore b"), ("u", "restore c")] {
            let asked = approval((uid, step, "why".to_owned()), Some(&first), Some(&token), nonce);
            assert_ne!(pending(asked).token, token, "{uid} {step}");
        }
    }
}
