//! The waiting callers of one tenant, in order. Pure.

use std::{collections::BTreeMap, sync::Arc};

/// Tickets that are counted together.
const BLOCK: u64 = 64;

/// A place: priority, the highest first, and ticket within it.
pub(super) type Position<P> = (P, u64);

/// The waiting callers of one tenant. The number of callers ahead is counted by blocks of tickets, so that a long line
/// does not make each request walk all of it.
#[derive(Debug, Clone)]
pub(super) struct Line<P> {
    callers: BTreeMap<Position<P>, Arc<str>>,
    blocks: BTreeMap<Position<P>, u64>,
    last_ticket: u64,
}

// === impl Line ===

impl<P> Default for Line<P> {
    fn default() -> Self {
        Self { callers: BTreeMap::new(), blocks: BTreeMap::new(), last_ticket: 0 }
    }
}

impl<P: Ord + Copy> Line<P> {
    /// Adds a caller at the end of a priority.
    pub(super) fn push(&mut self, priority: P, key: Arc<str>) -> Position<P> {
        self.last_ticket += 1;
        let position = (priority, self.last_ticket);
        self.callers.insert(position, key);
        *self.blocks.entry(block(position)).or_default() += 1;
        position
    }

    /// Removes a caller.
    pub(super) fn remove(&mut self, position: Position<P>) {
        if self.callers.remove(&position).is_none() {
            return;
        }
        if let Some(count) = self.blocks.get_mut(&block(position)) {
            *count -= 1;
            if *count == 0 {
                self.blocks.remove(&block(position));
            }
        }
    }

    /// Number of callers ahead of `position`.
    pub(super) fn ahead(&self, position: Position<P>) -> u64 {
        let (priority, ticket) = block(position);
        let before: u64 = self.blocks.range(..(priority, ticket)).map(|(_, count)| count).sum();
        let within = self.callers.range((priority, ticket * BLOCK)..position).count();
        before.saturating_add(u64::try_from(within).unwrap_or(u64::MAX))
    }

    /// Number of callers.
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.callers.len()).unwrap_or(u64::MAX)
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.callers.is_empty()
    }
}

fn block<P>((priority, ticket): Position<P>) -> Position<P> {
    (priority, ticket / BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_ahead_are_counted_exactly() {
        let mut line = Line::default();
        let priorities = ['c', 'b', 'a'];
        let mut all: Vec<_> =
            (0..1000_usize).map(|n| line.push(priorities[n * 7 % 3], Arc::from(n.to_string()))).collect();
        for gone in [0, 64, 65, 200, 999] {
            line.remove(all[gone]);
            line.remove(all[gone]);
        }
        for gone in [999, 200, 65, 64, 0] {
            all.remove(gone);
        }
        all.sort_unstable();
        for (ahead, position) in all.iter().enumerate() {
            assert_eq!(line.ahead(*position), ahead as u64);
        }
        assert_eq!(line.len(), 995);
        all.iter().for_each(|position| line.remove(*position));
        assert!(line.is_empty() && line.blocks.is_empty());
    }
}
