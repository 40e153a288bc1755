//! How an application treats keys: what a policy says of its fleet, as the members themselves live it.

use crate::model::Span;

/// What differs between applications. By default members look into the key folder again and again, hold every version
/// there, and write under the one that is current there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manners {
    /// They hold only what they were handed.
    pub handed: bool,
    /// They look at keys when they start, and not again.
    pub at_start: bool,
    /// They hold the one version that their own pointer names, open every value when they start, and none later.
    pub one: bool,
    /// What they write under.
    pub writes: Writes,
    /// A sealed value that one has read lingers in it this long at most.
    pub caches: Span,
    /// They say in a table of the application's database what they know.
    pub says: bool,
}

/// What a member writes under.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Writes {
    /// What the key folder calls current.
    #[default]
    Current,
    /// What its own pointer names.
    Pointed,
    /// The newest version that it has known for this long. A restart forgets since when.
    NewestAfter(Span),
}
