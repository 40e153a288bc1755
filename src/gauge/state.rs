//! What is known of a service: how much it takes at once, how many at once, and when it may be asked again.

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

use super::Limits;
use super::Push;
use super::Quota;
use super::size::Size;
use crate::fault::Fault;

/// So many requests are made at once at first.
const LANES_FIRST: usize = 2;
/// The first wait after a push that does not say how long, and the longest.
const WAIT_FIRST: Duration = Duration::from_millis(20);
const WAIT_MAX: Duration = Duration::from_secs(5);
/// So many requests a lane make a measurement.
const REQUESTS_PER_LANE: u32 = 4;
/// So much better, in percent, makes another lane worth it.
const BETTER: u128 = 3;
/// So many more lanes than the best are tried.
const LANES_TRIED: usize = 2;

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By kind of request: what each takes has limits of its own.
    sizes: BTreeMap<&'static str, Size>,
    lanes: usize,
    settled: bool,
    best: Option<(u128, usize)>,
    measured: Option<Measured>,
    under_way: usize,
    not_before: Option<Instant>,
    pushes: u32,
    pushed_at: Option<Instant>,
    first_push: Option<Instant>,
    given_up: Option<(Instant, Fault)>,
    since_push: u32,
    quota: Option<Quota>,
    next_slot: Option<Instant>,
}

#[derive(Debug)]
struct Measured {
    since: Instant,
    values: u128,
    requests: u32,
}

/// One request, as it was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    pub(super) kind: &'static str,
    pub(super) values: usize,
    pub(super) begun: Instant,
}

impl State {
    /// How many values go into a request of a kind.
    pub(super) fn values(&mut self, kind: &'static str, limits: &Limits) -> usize {
        self.size(kind, limits).values()
    }

    fn size(&mut self, kind: &'static str, limits: &Limits) -> &mut Size {
        self.sizes.entry(kind).or_insert_with(|| Size::new(limits))
    }

    /// Why everybody who had begun by then gives up, where somebody's patience has ended since.
    pub(super) fn given_up(&self, begun: Instant) -> Option<Fault> {
        self.given_up.as_ref().filter(|(at, _)| begun <= *at).map(|(_, fault)| fault.clone())
    }

    /// How many requests are made at once.
    pub(super) fn lanes(&self) -> usize {
        if self.lanes == 0 { LANES_FIRST } else { self.lanes }
    }

    /// Whether a request may be made now; else how long to wait, or that somebody else has to finish first.
    pub(super) fn may_ask(&self, now: Instant, limits: &Limits) -> Result<(), Option<Duration>> {
        // Whose share nobody knows is asked one request at a time, until its answer tells.
        let unknown = limits.share.is_some() && self.quota.is_none();
        if self.under_way >= if unknown { 1 } else { self.lanes().min(limits.lanes_max) } {
            return Err(None);
        }
        let slot = self.next_slot.filter(|_| limits.share.is_some());
        match self.not_before.into_iter().chain(slot).max() {
            Some(then) if then > now => Err(Some(then.saturating_duration_since(now))),
            _ => Ok(()),
        }
    }

    /// A request begins.
    pub(super) fn enter(&mut self, now: Instant, limits: &Limits) {
        self.under_way = self.under_way.saturating_add(1);
        if let (Some(share), Some(quota)) = (limits.share, self.quota) {
            self.next_slot = now.checked_add(spacing(share, quota));
        }
    }

    /// A request ended, however.
    pub(super) fn leave(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// The service told its quota.
    pub(super) fn quota(&mut self, quota: Quota, limits: &Limits, now: Instant) {
        // How long it runs is told by what is left of it: the longest that was seen is nearest.
        let per = self.quota.map_or(quota.per, |known| known.per.max(quota.per));
        self.quota = Some(Quota { per, ..quota });
        let Some(share) = limits.share else { return };
        let others = quota.requests.saturating_mul(u64::from(100_u8.saturating_sub(share))) / 100;
        if quota.left.is_some_and(|left| left < others) {
            self.not_before = self.not_before.max(now.checked_add(quota.per));
        }
    }

    /// A request was answered.
    pub(super) fn went(&mut self, made: Made, now: Instant, limits: &Limits) -> Result<(), Fault> {
        (self.pushes, self.first_push) = (0, None);
        self.since_push = self.since_push.saturating_add(1);
        if limits.share.is_some() && self.quota.is_none() {
            let fault = Fault::ask_operator("keep to a share of a service's quota", "it does not tell its quota");
            return Err(fault.hint(
                "let its answers tell (OpenBao: `enable_rate_limit_response_headers` in `sys/quotas/config`), \
                 or write `pace = { rows_per_second = .. }`",
            ));
        }
        let took = now.saturating_duration_since(made.begun);
        if self.size(made.kind, limits).went(made.values, took, limits) {
            self.measured = None;
        } else {
            self.measure(made.values, now, limits);
        }
        Ok(())
    }

    /// Another lane, while that brings more through.
    fn measure(&mut self, values: usize, now: Instant, limits: &Limits) {
        let enough = u32::try_from(self.lanes()).unwrap_or(u32::MAX).saturating_mul(REQUESTS_PER_LANE);
        if self.settled {
            // After a push, back up by and by; and where the best was never found, on from there.
            if self.since_push > enough.saturating_mul(4) {
                match self.best {
                    Some((_, best)) if self.lanes() < best => {
                        self.lanes = self.lanes().saturating_add(1);
                        self.since_push = 0;
                    }
                    Some(_) => {}
                    None => self.settled = false,
                }
            }
            return;
        }
        let measured = self.measured.get_or_insert(Measured { since: now, values: 0, requests: 0 });
        measured.values = measured.values.saturating_add(u128::try_from(values).unwrap_or(u128::MAX));
        measured.requests = measured.requests.saturating_add(1);
        if measured.requests <= enough {
            return;
        }
        let micros = now.saturating_duration_since(measured.since).as_micros().max(1);
        let rate = measured.values.saturating_mul(1_000_000) / micros;
        self.measured = None;
        let lanes = self.lanes();
        match self.best {
            Some((best, _)) if rate.saturating_mul(100) < best.saturating_mul(100_u128.saturating_add(BETTER)) => {}
            _ => self.best = Some((rate, lanes)),
        }
        let best = self.best.map_or(lanes, |(_, lanes)| lanes);
        if lanes < limits.lanes_max && lanes < best.saturating_add(LANES_TRIED) {
            self.lanes = lanes.saturating_add(1);
        } else {
            (self.lanes, self.settled) = (best, true);
        }
    }

    /// A request was not answered.
    pub(super) fn pushed(&mut self, push: Push, made: Made, now: Instant, limits: &Limits) -> Result<(), Fault> {
        let fault = match push {
            Push::Fault(fault) => return Err(fault),
            Push::TooLarge(fault) if made.values <= 1 => return Err(fault),
            Push::TooLarge(_) => {
                self.size(made.kind, limits).too_large(made.values);
                return Ok(());
            }
            Push::Busy(fault, quota) => {
                if let Some(quota) = quota {
                    self.quota(*quota, limits, now);
                }
                fault
            }
            Push::Lost(fault) => {
                // Twice in a row, and one at a time: it may be the size. Whoever counts requests is not helped by more of them.
                if self.lanes() == 1 && self.pushes > 0 && self.is_news(made) {
                    self.size(made.kind, limits).too_large(made.values);
                }
                fault
            }
        };
        if self.is_news(made) {
            self.back_off(&fault, now);
        }
        let first = *self.first_push.get_or_insert(now);
        let until = self.not_before.unwrap_or(now);
        if until.saturating_duration_since(first) > limits.patience {
            (self.first_push, self.not_before) = (None, None);
            self.given_up = Some((now, fault.clone()));
            return Err(fault);
        }
        Ok(())
    }

    /// Those that were under way when it pushed back say nothing new.
    fn is_news(&self, made: Made) -> bool {
        self.pushed_at.is_none_or(|pushed| made.begun >= pushed)
    }

    /// Half as many at once, and a rest.
    fn back_off(&mut self, fault: &Fault, now: Instant) {
        self.lanes = (self.lanes() / 2).max(1);
        self.settled = true;
        self.pushes = self.pushes.saturating_add(1);
        let own = WAIT_FIRST.saturating_mul(1 << self.pushes.saturating_sub(1).min(10)).min(WAIT_MAX);
        let wait = fault.after.filter(|after| *after > 0).map_or(own, Duration::from_secs);
        self.not_before = self.not_before.max(now.checked_add(wait));
        (self.pushed_at, self.since_push, self.measured) = (Some(now), 0, None);
    }
}

/// How far requests are apart, so that no stretch of a quota's length holds more than our share of it.
fn spacing(share: u8, quota: Quota) -> Duration {
    let ours = (quota.requests.saturating_mul(u64::from(share)) / 100).max(1);
    quota.per / u32::try_from(ours).unwrap_or(u32::MAX)
}
