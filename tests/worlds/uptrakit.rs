//! Two controllers, a scheduler and an SSH agent that hold one master key each and open every data key when they start; and
//! keyrota's own program turning those keys while they live. Their rules are in `python/uptrakit/`.

mod back;
mod calm;
mod failures;
mod kills;
mod site;
mod span;
