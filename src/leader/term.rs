//! Whose lease it is. Pure: what was read and written goes in, what to do next comes out. Nobody's clock is believed
//! but this process's own, and that one only for measuring.

use std::time::Duration;

/// What a Lease says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Changes with every write to it.
    pub(super) version: String,
    /// Who holds it; nobody once it was released.
    pub(super) holder: Option<String>,
    /// For how long after its last renewal, by its holder's word.
    pub(super) duration: Option<Duration>,
    /// How often it changed hands.
    pub(super) transitions: i32,
}

/// What to do next about a lease that is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// Write our name into it.
    Take,
    /// Look again; at the latest then, it is given up by whoever holds it.
    Watch(Duration),
}

/// What is known of the lease.
#[derive(Debug, Default)]
pub(super) struct Term {
    /// The version that somebody else's lease had when it was last seen to change, and when that was.
    seen: Option<(String, Duration)>,
}

// === impl Term ===

impl Term {
    /// What to do about the lease, `None` if there is none. Somebody else's is taken only once it has not changed, as
    /// seen from here, for as long as its holder said that it lasts.
    pub(super) fn next(
        &mut self,
        record: Option<&Record>,
        identity: &str,
        duration: Duration,
        now: Duration,
    ) -> Move {
        let Some(record) = record else { return Move::Take };
        if record.holder.as_deref().is_none_or(|holder| holder == identity) {
            return Move::Take;
        }
        let since = match &self.seen {
            Some((version, since)) if *version == record.version => *since,
            Some(_) | None => {
                self.seen = Some((record.version.clone(), now));
                now
            }
        };
        let end = since.saturating_add(record.duration.unwrap_or(duration));
        if now >= end { Move::Take } else { Move::Watch(end) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Duration = Duration::from_secs(30);

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn held(by: Option<&str>, version: &str, duration: Option<u64>) -> Record {
        Record {
            version: version.to_owned(),
            holder: by.map(str::to_owned),
            duration: duration.map(s),
            transitions: 3,
        }
    }

    #[test]
    fn what_nobody_else_holds_is_taken_at_once() {
        let mut term = Term::default();
        assert_eq!(term.next(None, "me", OWN, s(1)), Move::Take);
        assert_eq!(term.next(Some(&held(None, "1", Some(1))), "me", OWN, s(1)), Move::Take);
        assert_eq!(term.next(Some(&held(Some("me"), "1", Some(30))), "me", OWN, s(1)), Move::Take);
    }

    #[test]
    fn somebody_elses_is_taken_when_it_has_not_changed_for_its_duration() {
        let mut term = Term::default();
        let mut next =
            |version, at| term.next(Some(&held(Some("other"), version, Some(20))), "me", OWN, s(at));
        assert_eq!(next("1", 100), Move::Watch(s(120)));
        assert_eq!(next("1", 119), Move::Watch(s(120)));
        assert_eq!(next("2", 119), Move::Watch(s(139)), "it was renewed");
        assert_eq!(next("2", 138), Move::Watch(s(139)));
        assert_eq!(next("2", 139), Move::Take);
    }

    #[test]
    fn one_that_does_not_say_how_long_lasts_as_long_as_ours() {
        let mut term = Term::default();
        let record = held(Some("other"), "1", None);
        assert_eq!(term.next(Some(&record), "me", OWN, s(0)), Move::Watch(s(30)));
        assert_eq!(term.next(Some(&record), "me", OWN, s(30)), Move::Take);
    }
}
