//! The graph: rules become edges, and one function puts the steps in the one order, so that the same steps
//! always come out the same way.

use crate::plan::Kind;
use crate::plan::aspect::Aspect;
use crate::plan::aspect::Turn;
use crate::plan::estimate::Estimate;
use crate::plan::rule::Code;
use crate::plan::rule::RULES;
use crate::plan::rule::Rule;
use crate::plan::rule::Tie;
use crate::plan::step::Need;
use crate::plan::step::Part;
use crate::plan::step::Step;
use crate::plan::step::Waiting;
use crate::plan::step::Why;
use crate::policy::meant::fleet::Writes;
use petgraph::Direction;
use petgraph::graph::DiGraph;
use petgraph::graph::NodeIndex;
use std::collections::BTreeSet;

/// Rules that contradict each other: the steps on the cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle(pub Vec<Part>);

/// Orders that were found before: of a thousand keys with the same steps, one is ordered.
#[derive(Default)]
pub struct Known<'a> {
    orders: Vec<Order<'a>>,
}

struct Order<'a> {
    aspect: Aspect<'a>,
    /// The steps as they came, without what they cost.
    steps: Vec<Step>,
    /// For each place in the order where its step came from, and what it needs.
    places: Vec<(usize, Vec<Need>)>,
}

/// How many orders are kept.
const KNOWN_MAX: usize = 16;

impl<'a> Known<'a> {
    /// Puts the steps of a unit in their order, each with what it needs.
    ///
    /// # Errors
    /// When rules contradict each other.
    pub fn order(
        &mut self,
        aspects: &[Aspect<'a>],
        mut steps: Vec<Step>,
        without: Option<Code>,
    ) -> Result<Vec<Step>, Cycle> {
        let [aspect] = aspects else { return order(aspects, steps, without) };
        let costs: Vec<Estimate> = steps.iter_mut().map(|step| std::mem::take(&mut step.estimate)).collect();
        let same = |known: &&Order<'a>| known.aspect.orders_as(aspect) && known.steps == steps;
        if let Some(known) = self.orders.iter().find(same) {
            let put = |(from, needs): &(usize, Vec<Need>)| {
                let step = steps.get(*from)?.clone();
                Some(Step { needs: needs.clone(), estimate: costs.get(*from).copied().unwrap_or_default(), ..step })
            };
            return Ok(known.places.iter().filter_map(put).collect());
        }
        // Each step is found again by a cost of its own.
        let mut numbered = steps.clone();
        for (number, step) in numbered.iter_mut().enumerate() {
            step.estimate = Estimate::seconds(u64::try_from(number).unwrap_or(u64::MAX));
        }
        let mut ordered = order(aspects, numbered, without)?;
        let mut places = Vec::with_capacity(ordered.len());
        for step in &mut ordered {
            let from = usize::try_from(step.estimate.seconds).unwrap_or(usize::MAX);
            step.estimate = costs.get(from).copied().unwrap_or_default();
            places.push((from, step.needs.clone()));
        }
        if self.orders.len() < KNOWN_MAX {
            self.orders.push(Order { aspect: aspect.clone(), steps, places });
        }
        Ok(ordered)
    }
}

/// Puts the steps of a unit in their order, each with what it needs.
fn order(aspects: &[Aspect<'_>], steps: Vec<Step>, without: Option<Code>) -> Result<Vec<Step>, Cycle> {
    let mut graph: DiGraph<Step, Code> = DiGraph::with_capacity(steps.len(), steps.len() * 2);
    let nodes: Vec<NodeIndex> = steps.into_iter().map(|step| graph.add_node(step)).collect();
    for rule in RULES.iter().filter(|rule| Some(rule.code) != without) {
        connect(aspects, &mut graph, &nodes, rule);
    }
    let sorted = sort(&graph)?;
    Ok(number(&graph, &sorted))
}

fn connect(aspects: &[Aspect<'_>], graph: &mut DiGraph<Step, Code>, nodes: &[NodeIndex], rule: &Rule) {
    let matching = |test: fn(&Step) -> bool| nodes.iter().copied().filter(|node| test(&graph[*node])).collect();
    let befores: Vec<NodeIndex> = matching(rule.before);
    if befores.is_empty() {
        return;
    }
    let afters: Vec<NodeIndex> = matching(rule.after);
    for before in befores {
        for after in afters.iter().copied().filter(|after| *after != before) {
            if tied(aspects, &graph[before], &graph[after], rule.tie) {
                graph.add_edge(before, after, rule.code);
            }
        }
    }
}

fn tied(aspects: &[Aspect<'_>], before: &Step, after: &Step, tie: Tie) -> bool {
    let fleets = || before.part.fleet().zip(after.part.fleet());
    let same_fleet = || fleets().is_some_and(|(a, b)| a == b);
    match tie {
        Tie::KeyAfter => before.key != after.key && comes_after(aspects, before.key, after.key),
        _ if before.key != after.key => false,
        Tie::Key => true,
        Tie::Destroying => aspects.get(before.key).is_some_and(|aspect| aspect.kind == Kind::Destroy),
        Tie::Following => aspects.get(before.key).is_some_and(|aspect| aspect.kind == Kind::Follow),
        Tie::TurnApart => aspects.get(before.key).is_some_and(|aspect| aspect.turn() != Turn::Add),
        Tie::Fleet => same_fleet(),
        Tie::Member => same_fleet() && before.part.member() == after.part.member(),
        Tie::MemberBefore => same_fleet() && member_before(aspects, before, after),
        Tie::FleetAfter => fleets().is_some_and(|(a, b)| {
            let policy = aspects.get(before.key).map(|aspect| aspect.policy);
            policy.and_then(|policy| policy.fleets.get(b)).is_some_and(|fleet| fleet.after.contains(a))
        }),
        Tie::ReaderFirst => fleets().is_some_and(|(a, b)| {
            let Some(aspect) = aspects.get(before.key) else { return false };
            let writes = |name| aspect.policy.fleets.get(name).map(|fleet| fleet.writes != Writes::Never);
            writes(a) == Some(false) && writes(b) == Some(true) && !aspect.led_by_a_writer(a, aspect.fleets.len())
        }),
    }
}

fn member_before(aspects: &[Aspect<'_>], before: &Step, after: &Step) -> bool {
    let fleet = aspects.get(before.key).zip(before.part.fleet()).and_then(|(a, name)| a.policy.fleets.get(name));
    let Some(fleet) = fleet else { return false };
    let place = |step: &Step| Aspect::listed(fleet).iter().position(|member| Some(member) == step.part.member());
    // The next one only: the rest follows from it.
    place(before).zip(place(after)).is_some_and(|(a, b)| a + 1 == b)
}

/// Whether the second key's rotation comes after the first one's: by the policy, or, where two keys share
/// something that only one may change at a time, by their names.
fn comes_after(aspects: &[Aspect<'_>], first: usize, second: usize) -> bool {
    let Some((a, b)) = aspects.get(first).zip(aspects.get(second)) else { return false };
    let said = |a: &Aspect<'_>, b: &Aspect<'_>| b.key.after.contains(&a.name) || a.key.wraps.contains(&b.name);
    said(a, b) || !said(b, a) && first < second && crate::plan::draw::share(a, b)
}

/// Kahn's algorithm with a sorted frontier.
fn sort(graph: &DiGraph<Step, Code>) -> Result<Vec<NodeIndex>, Cycle> {
    let mut waits_for: Vec<usize> =
        graph.node_indices().map(|node| graph.edges_directed(node, Direction::Incoming).count()).collect();
    let entry = |node: NodeIndex| (graph[node].key, rank(&graph[node]), node.index());
    let ready = graph.node_indices().filter(|node| waits_for.get(node.index()) == Some(&0));
    let mut frontier: BTreeSet<(usize, u8, usize)> = ready.map(entry).collect();
    let mut sorted = Vec::with_capacity(graph.node_count());
    while let Some((_, _, index)) = frontier.pop_first() {
        let node = NodeIndex::new(index);
        sorted.push(node);
        for next in graph.neighbors_directed(node, Direction::Outgoing) {
            let Some(left) = waits_for.get_mut(next.index()) else { continue };
            *left = left.saturating_sub(1);
            if *left == 0 {
                frontier.insert(entry(next));
            }
        }
    }
    if sorted.len() == graph.node_count() {
        return Ok(sorted);
    }
    let stuck = graph.node_indices().filter(|node| !sorted.contains(node));
    Err(Cycle(stuck.map(|node| graph[node].part.clone()).collect()))
}

/// The steps in their order with places for needs, each need that follows from another one left out.
fn number(graph: &DiGraph<Step, Code>, sorted: &[NodeIndex]) -> Vec<Step> {
    let mut place = vec![0_usize; graph.node_count()];
    for (at, node) in sorted.iter().enumerate() {
        if let Some(slot) = place.get_mut(node.index()) {
            *slot = at;
        }
    }
    // For each step the set of all that come before it.
    let mut above: Vec<BTreeSet<usize>> = Vec::with_capacity(sorted.len());
    let mut steps = Vec::with_capacity(sorted.len());
    for node in sorted {
        let edges = graph.edges_directed(*node, Direction::Incoming);
        let mut direct: Vec<(usize, Code)> = edges
            .map(|edge| {
                (place.get(petgraph::visit::EdgeRef::source(&edge).index()).copied().unwrap_or(0), *edge.weight())
            })
            .collect();
        direct.sort_unstable();
        direct.dedup_by_key(|(at, _)| *at);
        let implied =
            |at: usize| direct.iter().any(|(other, _)| above.get(*other).is_some_and(|set| set.contains(&at)));
        let needs: Vec<Need> = direct
            .iter()
            .filter(|(at, _)| !implied(*at))
            .map(|(step, rule)| Need { step: *step, rule: *rule })
            .collect();
        let mut all: BTreeSet<usize> = direct.iter().map(|(at, _)| *at).collect();
        all.extend(direct.iter().filter_map(|(at, _)| above.get(*at)).flatten());
        above.push(all);
        steps.push(Step { needs, ..graph[*node].clone() });
    }
    steps
}

/// Where a step stands among those that could come next: the order in which people tell a rotation.
const fn rank(step: &Step) -> u8 {
    match &step.part {
        Part::Check { again: false, when: crate::policy::meant::check::When::Before } => 0,
        Part::Open { .. } => 1,
        Part::Keep => 2,
        Part::Add | Part::Enable => 3,
        Part::Deliver { .. } => 4,
        Part::Restart { why: Why::Learn, .. } => 5,
        Part::Wait { until: Waiting::Readable { .. } } => 6,
        Part::Wait { until: Waiting::Grace } => 7,
        Part::Check { .. } => 8,
        Part::Switch => 9,
        Part::Point { .. } => 10,
        Part::Sweep { .. } => 11,
        Part::Restart { why: Why::Follow, .. } => 12,
        Part::Rewrap { .. } => 13,
        Part::Wait { until: Waiting::Written { .. } | Waiting::Landed | Waiting::Watch } => 14,
        Part::Close => 15,
        Part::Wait { until: Waiting::Soak } => 16,
        Part::Withdraw { .. } => 17,
        Part::Restart { why: Why::Forget, .. } | Part::Wait { until: Waiting::Forgotten { .. } } => 18,
        Part::Retire => 19,
        Part::Recount => 20,
        Part::Destroy => 21,
        Part::Discard { .. } => 22,
    }
}
