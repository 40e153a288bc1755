//! A thread that renews tokens while we wait for a gate: a token of an hour must outlive a wait of two days.

use crate::openbao::Inner;
use crate::openbao::token;
use crate::openbao::token::Held;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

/// How often the thread looks at least, so that it ends soon after its client.
const LOOKS_EVERY: Duration = Duration::from_secs(30);

/// Wakes the thread, and says whether there is one.
#[derive(Default)]
pub(super) struct Bell {
    running: AtomicBool,
    hear: Arc<(Mutex<bool>, Condvar)>,
}

impl Bell {
    /// Ends the thread.
    pub(super) fn ring(&self) {
        let (ended, bell) = &*self.hear;
        *ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        bell.notify_all();
    }
}

/// Starts the thread, once.
pub(super) fn start(client: &Arc<Inner>) {
    if client.tokens.refresher.running.swap(true, Ordering::SeqCst) {
        return;
    }
    let weak = Arc::downgrade(client);
    let hear = Arc::clone(&client.tokens.refresher.hear);
    // Without it a token is replaced when it has ended, where the login allows that.
    let _best_effort = std::thread::Builder::new().name("keyrota-tokens".to_owned()).spawn(move || run(&weak, &hear));
}

fn run(client: &Weak<Inner>, hear: &(Mutex<bool>, Condvar)) {
    loop {
        let Some(alive) = client.upgrade() else { return };
        let next = refresh(&alive);
        drop(alive);
        let (ended, bell) = hear;
        let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = bell.wait_timeout_while(ended, next, |ended| !*ended);
        if *waited.unwrap_or_else(PoisonError::into_inner).0 {
            return;
        }
    }
}

/// Renews what is past half of its life; says how long to wait for the next look.
fn refresh(client: &Inner) -> Duration {
    let mut next = LOOKS_EVERY;
    for slot in client.tokens.slots() {
        let Some(held) = token::lock(slot).clone() else { continue };
        let Some(ends) = held.ends.filter(|_| held.renewable) else { continue };
        let half = held.lease / 2;
        let left = ends.saturating_duration_since(Instant::now());
        if left > half {
            next = next.min(left.saturating_sub(half));
            continue;
        }
        // A server that cannot be asked now is asked again soon.
        next = next.min(half / 4);
        match token::renew(client, &held) {
            Ok(Some(renewed)) => {
                next = next.max(LOOKS_EVERY.min(renewed.lease / 2));
                put(slot, &held, renewed);
            }
            // Its last renewal: whoever asks next logs in anew once it has ended.
            Ok(None) => put(slot, &held, Held { renewable: false, ..held.clone() }),
            Err(_) => {}
        }
    }
    next.max(Duration::from_millis(100))
}

/// Puts it there unless somebody else has logged in meanwhile.
fn put(slot: &Mutex<Option<Held>>, before: &Held, after: Held) {
    let mut slot = token::lock(slot);
    if slot.as_ref().is_some_and(|now| Arc::ptr_eq(&now.token, &before.token)) {
        *slot = Some(after);
    }
}
