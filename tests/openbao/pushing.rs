//! A transit engine that pushes back, by a proxy and by its own rate limit: no value is lost, none is moved wrongly, and as much
//! is asked for as goes. What was asked is counted at the proxy; no time is measured.

use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::proxy::Fate;
use crate::proxy::Judge;
use crate::proxy::before;
use crate::server::Server;
use crate::transit::World;

const BUSY: Fate = Fate::Says("429 Too Many Requests", "{\"errors\":[\"slow down\"]}");
const BUSY_A_WHILE: Fate = Fate::Says("429 Too Many Requests\r\nRetry-After: 1", "{\"errors\":[\"slow down\"]}");
const AWAY: Fate = Fate::Says("503 Service Unavailable", "{\"errors\":[]}");
const LARGE: Fate =
    Fate::Says("400 Bad Request", "{\"errors\":[\"refused JSON input due to high complexity: request too large\"]}");

/// One question about values, as the proxy saw it.
#[derive(Debug, Clone, Copy)]
struct Asked {
    values: usize,
    /// How many were under way with it.
    at_once: usize,
    through: bool,
}

#[derive(Debug, Default)]
struct Seen {
    asked: Vec<Asked>,
    now: usize,
    /// The least that an answer said was left of a rate limit.
    left: Option<u64>,
    refused: usize,
}

/// Counts, and lets `fate` judge by the question's number and its values.
struct Counter<F> {
    seen: Arc<Mutex<Seen>>,
    fate: F,
}

fn is_ours(question: &str) -> bool {
    ["rewrap", "decrypt", "encrypt"].iter().any(|verb| question.contains(&format!("/transit/{verb}/")))
}

impl<F: Fn(usize, usize) -> Fate + Send + Sync + 'static> Judge for Counter<F> {
    fn fate(&self, question: &str, body: &[u8]) -> Fate {
        if !is_ours(question) {
            return Fate::Through;
        }
        let body: Value = serde_json::from_slice(body).unwrap();
        let values = body["batch_input"].as_array().unwrap().len();
        let mut seen = self.seen.lock().unwrap();
        let fate = (self.fate)(seen.asked.len(), values);
        seen.now += 1;
        let at_once = seen.now;
        seen.asked.push(Asked { values, at_once, through: matches!(fate, Fate::Through) });
        fate
    }

    fn over(&self, question: &str, answer: &[u8]) {
        if !is_ours(question) {
            return;
        }
        // Long enough for others to come meanwhile.
        thread::sleep(Duration::from_millis(10));
        let head =
            answer.split(|byte| *byte == b'\n').take(20).map(|line| String::from_utf8_lossy(line).to_lowercase());
        let left = head.filter_map(|line| line.strip_prefix("x-ratelimit-remaining: ")?.trim().parse().ok()).min();
        let mut seen = self.seen.lock().unwrap();
        seen.now -= 1;
        seen.refused += usize::from(answer.starts_with(b"HTTP/1.1 429"));
        seen.left = seen.left.into_iter().chain(left).min();
    }
}

fn counting(
    server: &Server,
    fate: impl Fn(usize, usize) -> Fate + Send + Sync + 'static,
) -> (Server, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    (before(server, Counter { seen: Arc::clone(&seen), fate }), seen)
}

#[test]
fn whatever_happens_in_between_no_value_is_lost_and_none_is_moved_wrongly() {
    let world = World::new(3_000);
    let (server, seen) = counting(&world.server, |number, values| match number % 16 {
        _ if number == 5 => BUSY_A_WHILE,
        _ if values > 40 => LARGE,
        2 => BUSY,
        5 => AWAY,
        8 => Fate::Unheard,
        11 | 12 => Fate::Unanswered,
        _ => Fate::Through,
    });
    assert_eq!(world.run_by(&server, None).unwrap(), 3_000);
    assert_eq!(world.opened(), 3_000);
    let asked = seen.lock().unwrap().asked.clone();
    let through: usize = asked.iter().filter(|asked| asked.through).map(|asked| asked.values).sum();
    // 2,000 once, and 1,000 that are bound twice; beside them only samples and probes. What was answered is not asked again.
    assert!((4_000..4_100).contains(&through), "{through}");
    assert!(asked.len() < 400, "{} requests", asked.len());
    assert_eq!(world.run().unwrap(), 0);
}

#[test]
fn it_halves_when_it_is_pushed_back_and_grows_again() {
    const PUSHED: usize = 300;
    const LANES_MAX: usize = 8;
    let world = World::new(9_000);
    // As many as go into a request, so that there are many.
    let (server, seen) = counting(&world.server, |number, values| match number {
        _ if values > 10 => LARGE,
        PUSHED => BUSY,
        _ => Fate::Through,
    });
    assert_eq!(world.run_by(&server, None).unwrap(), 9_000);
    let asked = seen.lock().unwrap().asked.clone();
    let most = |asked: &[Asked]| asked.iter().map(|asked| asked.at_once).max().unwrap();
    let (before, after) = (most(&asked[..PUSHED]), &asked[PUSHED..]);
    assert!((2..=LANES_MAX).contains(&before), "{before} at once");
    // Those that were under way when it pushed back end; then there are at most half as many for a while, and later more again.
    let (few, rest) = after[LANES_MAX..].split_at(12);
    assert!(most(few) <= LANES_MAX / 2, "{before} and then {few:?}");
    assert!(most(rest) > most(few), "{before}, then {}, and never more", most(few));
    // Each of the few that were too large was only a question whether more goes by now.
    let large = asked.iter().filter(|asked| asked.values > 10).count();
    assert!(large < asked.len() / 10, "{large} of {}", asked.len());
}

#[test]
fn the_size_is_found_anew_where_more_goes_than_before() {
    let world = World::new(6_000);
    let (server, seen) = counting(&world.server, |number, values| match number {
        // A request that a front takes for too large, whatever it holds.
        0..12 if values > 8 => LARGE,
        _ => Fate::Through,
    });
    assert_eq!(world.run_by(&server, None).unwrap(), 6_000);
    let largest = seen.lock().unwrap().asked.iter().map(|asked| asked.values).max().unwrap();
    // The server itself takes 499.
    assert!(largest > 200, "{largest}");
}

#[test]
fn a_server_that_stays_away_is_given_up_after_a_while_and_nothing_is_half_done() {
    let world = World::new(300);
    let (server, seen) = counting(&world.server, |number, _| match number {
        0..6 => Fate::Through,
        _ => Fate::Says("503 Service Unavailable\r\nRetry-After: 3600", "{\"errors\":[\"overloaded\"]}"),
    });
    let fault = world.run_by(&server, None).unwrap_err();
    assert!(fault.may_retry() && fault.to_string().contains("status 503"), "{fault}");
    assert!(seen.lock().unwrap().asked.len() < 30);
    // What was moved until then opens; the rest is as it was, and goes on by another way.
    let moved = world.opened();
    assert_eq!(world.run().unwrap(), 300 - u64::try_from(moved).unwrap());
}

/// A rate limit of the server's on this world's engine; gone with the value.
struct Quota(Server, String);

impl Quota {
    fn new(world: &World, rate: u32) -> Self {
        let (root, namespace) = (Server::shared(), world.server.namespace.clone().unwrap());
        root.put("sys/quotas/config", json!({ "enable_rate_limit_response_headers": true }));
        let path = format!("{namespace}/transit");
        root.put(
            &format!("sys/quotas/rate-limit/{namespace}"),
            json!({ "path": path, "rate": rate, "interval": "1s" }),
        );
        Self(root, namespace)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        self.0.ask("DELETE", &format!("sys/quotas/rate-limit/{}", self.1), None);
    }
}

#[test]
fn a_rate_limit_is_lived_with() {
    let world = World::new(6_000);
    let quota = Quota::new(&world, 5);
    let (server, seen) = counting(&world.server, |_, _| Fate::Through);
    assert_eq!(world.run_by(&server, None).unwrap(), 6_000);
    let refused = seen.lock().unwrap().refused;
    assert!(refused > 0, "nothing was refused");
    drop(quota);
    assert_eq!(world.opened(), 6_000);
}

#[test]
fn a_share_of_a_rate_limit_is_kept() {
    let world = World::new(6_000);
    let quota = Quota::new(&world, 40);
    let (server, seen) = counting(&world.server, |_, _| Fate::Through);
    assert_eq!(world.run_by(&server, Some(50)).unwrap(), 6_000);
    let (left, refused, asked) = {
        let seen = seen.lock().unwrap();
        (seen.left.unwrap(), seen.refused, seen.asked.len())
    };
    // Half of it is always left to others, but for what was under way when that came to be known.
    assert!(asked > 20 && refused == 0 && left + 8 >= 20, "{asked} asked, {refused} refused, {left} left");
    drop(quota);
    assert_eq!(world.opened(), 6_000);
}
