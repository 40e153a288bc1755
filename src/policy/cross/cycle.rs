//! What waits for itself. Without recursion: a chain may be a hundred thousand long.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// No more cycles are told: who has more has one cause.
const TOLD_MAX: usize = 10;

/// The cycles, each from its smallest member on, in the order of the edges.
pub(super) fn all<N: Ord + Clone>(edges: &BTreeMap<N, Vec<N>>) -> Vec<Vec<N>> {
    let mut left = in_cycles(edges);
    let mut cycles = Vec::new();
    while let Some(first) = left.first().cloned() {
        if cycles.len() == TOLD_MAX {
            break;
        }
        let mut cycle = follow(edges, &left, &first);
        for member in &cycle {
            left.remove(member);
        }
        // What led into the cycle, or out of it into another, may be free now.
        left = in_cycles(&only(edges, &left));
        let smallest = cycle.iter().enumerate().min_by_key(|(_, member)| (*member).clone()).map_or(0, |(at, _)| at);
        cycle.rotate_left(smallest);
        cycles.push(cycle);
    }
    cycles
}

fn only<N: Ord + Clone>(edges: &BTreeMap<N, Vec<N>>, left: &BTreeSet<N>) -> BTreeMap<N, Vec<N>> {
    let kept = edges.iter().filter(|(from, _)| left.contains(*from));
    kept.map(|(from, to)| (from.clone(), to.iter().filter(|to| left.contains(*to)).cloned().collect())).collect()
}

/// What never becomes free when everything that waits for nothing is done, again and again.
fn in_cycles<N: Ord + Clone>(edges: &BTreeMap<N, Vec<N>>) -> BTreeSet<N> {
    let mut waits: BTreeMap<&N, usize> = BTreeMap::new();
    let mut waited_for: BTreeMap<&N, Vec<&N>> = BTreeMap::new();
    for (from, to) in edges {
        for to in to {
            *waits.entry(from).or_default() += 1;
            waits.entry(to).or_default();
            waited_for.entry(to).or_default().push(from);
        }
    }
    let mut free: Vec<&N> = waits.iter().filter(|(_, count)| **count == 0).map(|(node, _)| *node).collect();
    while let Some(done) = free.pop() {
        waits.remove(done);
        for from in waited_for.get(done).into_iter().flatten() {
            if let Some(count) = waits.get_mut(from) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    free.push(from);
                }
            }
        }
    }
    waits.into_keys().cloned().collect()
}

/// From a node that waits for a cycle, into it and once around.
fn follow<N: Ord + Clone>(edges: &BTreeMap<N, Vec<N>>, left: &BTreeSet<N>, first: &N) -> Vec<N> {
    let mut path: Vec<N> = Vec::new();
    let mut at: BTreeMap<N, usize> = BTreeMap::new();
    let mut here = first.clone();
    loop {
        if let Some(begin) = at.get(&here) {
            return path.split_off(*begin);
        }
        at.insert(here.clone(), path.len());
        path.push(here.clone());
        match edges.get(&here).into_iter().flatten().find(|to| left.contains(*to)) {
            Some(next) => here = next.clone(),
            // Nothing here waits for a cycle after all.
            None => return path,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::all;

    fn found(edges: &[(u32, &[u32])]) -> Vec<Vec<u32>> {
        all(&edges.iter().map(|(from, to)| (*from, to.to_vec())).collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn every_cycle_is_told_once_and_nothing_else() {
        assert!(found(&[(1, &[2, 3]), (2, &[3]), (4, &[1])]).is_empty());
        assert_eq!(found(&[(1, &[1])]), [vec![1]]);
        assert_eq!(found(&[(1, &[2]), (2, &[3]), (3, &[2])]), [vec![2, 3]]);
        assert_eq!(found(&[(5, &[4]), (4, &[5]), (1, &[2]), (2, &[1]), (3, &[1])]), [vec![1, 2], vec![4, 5]]);
    }

    #[test]
    fn a_long_chain_is_walked_without_a_deep_stack() {
        let mut chain: BTreeMap<u32, Vec<u32>> = (0..100_000).map(|n| (n, vec![n + 1])).collect();
        assert!(all(&chain).is_empty());
        chain.insert(100_000, vec![0]);
        assert_eq!(all(&chain).len(), 1);
    }
}
