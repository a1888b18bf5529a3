//! Validation errors of a spec: the field, and what to write instead.

use std::fmt;

/// One validation error.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    /// The field of the spec, such as `network.vpcId`.
    pub field: String,
    /// What to write instead. Never a secret.
    pub message: String,
}

/// All validation errors of a spec: at least one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Invalid {
    /// In the order of the fields.
    pub problems: Vec<Problem>,
}

// === impl Problem ===

impl Problem {
    /// A problem of `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

// === impl Invalid ===

impl Invalid {
    /// `Ok` if there are no problems.
    pub(in crate::plan::instance) fn unless_none(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }
}

impl std::error::Error for Invalid {}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_displayed() {
        let problems = vec![Problem::new("capacity", "write 4Gi"), Problem::new("port", "remove it")];
        assert_eq!(Invalid { problems }.to_string(), "capacity: write 4Gi; port: remove it");
        assert_eq!(Invalid::unless_none(Vec::new()), Ok(()));
    }
}
