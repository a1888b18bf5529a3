//! Fault injection: a script and a seed decide which calls fail and how.

mod apply;
mod script;

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

pub(super) use self::apply::{Interception, ResponseDraft};
pub(crate) use self::script::{Fault, Rule, Staleness};
use crate::dcs::operation::Operation;

/// The active rules with their counters.
#[derive(Debug, Clone)]
pub(super) struct Faults {
    seed: u64,
    rules: Vec<ActiveRule>,
    last_id: u64,
}

/// A rule with its counters.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActiveRule {
    id: u64,
    #[serde(flatten)]
    rule: Rule,
    /// Calls that matched the rule.
    met: u32,
    /// Calls that the fault was applied to.
    hit: u32,
}

/// The faults of one call.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct FaultDecision {
    /// Sum of all delays.
    pub(super) delay: Duration,
    /// At most one fault besides delays.
    pub(super) fault: Option<Fault>,
    /// Names of all applied faults, for the journal.
    pub(super) names: Vec<&'static str>,
}

// === impl Faults ===

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, rules: Vec::new(), last_id: 0 }
    }

    /// Adds the rules of a script and returns their ids; adds none if one is invalid.
    pub(super) fn add(&mut self, script: &Value) -> Result<Vec<u64>, String> {
        Ok(script::parse(script)?.into_iter().map(|rule| self.add_rule(rule)).collect())
    }

    pub(super) fn add_rule(&mut self, rule: Rule) -> u64 {
        self.last_id += 1;
        self.rules.push(ActiveRule { id: self.last_id, rule, met: 0, hit: 0 });
        self.last_id
    }

    /// Removes a rule; `false` if it does not exist.
    pub(super) fn remove(&mut self, id: u64) -> bool {
        let before = self.rules.len();
        self.rules.retain(|rule| rule.id != id);
        self.rules.len() < before
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(super) fn rules(&self) -> &[ActiveRule] {
        &self.rules
    }

    /// Whether a rule may still read a past state.
    pub(super) fn needs_history(&self) -> bool {
        self.rules
            .iter()
            .any(|active| matches!(active.rule.fault, Fault::StaleList(_)) && !active.is_exhausted())
    }

    /// Decides the faults of the next call of `operation`. Rules apply in order; a call with a fault does not count
    /// for later rules, except delays.
    pub(super) fn decide(&mut self, operation: &Operation) -> FaultDecision {
        let mut decision = FaultDecision::default();
        for active in &mut self.rules {
            let delay = match active.rule.fault {
                Fault::Delay { ms } => Some(Duration::from_millis(ms)),
                _ => None,
            };
            if delay.is_none() && decision.fault.is_some() || !active.triggers(self.seed, operation) {
                continue;
            }
            decision.names.push(active.rule.fault.name());
            match delay {
                Some(delay) => decision.delay = decision.delay.saturating_add(delay),
                None => decision.fault = Some(active.rule.fault.clone()),
            }
        }
        decision
    }
}

// === impl ActiveRule ===

impl ActiveRule {
    fn is_exhausted(&self) -> bool {
        self.rule.count.is_some_and(|count| self.hit >= count)
    }

    /// Counts a matching call and decides whether the fault applies to it.
    fn triggers(&mut self, seed: u64, operation: &Operation) -> bool {
        if self.is_exhausted() || !self.rule.matches(operation) {
            return false;
        }
        self.met = self.met.saturating_add(1);
        let triggers =
            self.met > self.rule.after && draw(seed, self.id, u64::from(self.met)) < self.rule.probability;
        self.hit = self.hit.saturating_add(u32::from(triggers));
        triggers
    }
}

/// A number in [0, 1) that depends on the arguments only (SplitMix64 finaliser).
fn draw(seed: u64, rule: u64, nth: u64) -> f64 {
    let mut bits = seed;
    for part in [rule, nth] {
        bits =
            bits.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_add(part.wrapping_mul(0xd134_2543_de82_ef95));
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
    }
    // A double represents 53 bits exactly.
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dcs::operation::{CREATE_INSTANCE, LIST_INSTANCES, SHOW_INSTANCE};

    fn faults(script: Value) -> Faults {
        let mut faults = Faults::new(7);
        faults.add(&script).expect("a script");
        faults
    }

    fn names(faults: &mut Faults, operation: &Operation, calls: usize) -> Vec<String> {
        (0..calls).map(|_| faults.decide(operation).names.join("+")).collect()
    }

    #[test]
    fn skip_count_and_order() {
        let mut faults = faults(json!([
            {"operation": "CreateInstance", "after": 1, "count": 2, "fault": "dropAnswer"},
            {"operation": "mutating", "fault": "reset"},
            {"operation": "*", "count": null, "after": 2, "fault": {"delay": {"ms": 10}}},
        ]));
        assert_eq!(names(&mut faults, &SHOW_INSTANCE, 1), [""]);
        assert_eq!(
            names(&mut faults, &CREATE_INSTANCE, 4),
            ["reset", "dropAnswer+delay", "dropAnswer+delay", "delay"]
        );
    }

    #[test]
    fn probability_follows_the_seed() {
        let script = json!({"count": null, "probability": 0.3, "fault": "reset"});
        let run = |seed| {
            let mut faults = Faults::new(seed);
            faults.add(&script).expect("a script");
            names(&mut faults, &LIST_INSTANCES, 1000)
        };
        let hits = run(1).iter().filter(|name| !name.is_empty()).count();
        assert!((250..350).contains(&hits), "{hits}");
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn rules_are_added_exhausted_and_removed() {
        let mut faults = faults(json!([
            {"operation": "reads", "fault": {"staleList": {"versions": 1}}},
            {"operation": "*", "fault": {"partialList": {"drop": 1}}},
        ]));
        assert!(faults.needs_history());
        assert_eq!(names(&mut faults, &CREATE_INSTANCE, 1), [""], "no rule applies");
        assert_eq!(names(&mut faults, &LIST_INSTANCES, 3), ["staleList", "partialList", ""]);
        assert!(!faults.needs_history(), "exhausted");
        assert!(faults.remove(1) && !faults.remove(1));
        assert_eq!(faults.rules().len(), 1);
        assert!(faults.add(&json!([{"fault": "reset"}, {"fault": "?"}])).is_err());
        assert_eq!(faults.rules().len(), 1, "an invalid script adds no rule");
    }
}
