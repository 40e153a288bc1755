#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use super::*;
use crate::plan::sample;

#[test]
fn what_is_written_reads_back() {
    for name in ["quickstart", "uptrakit", "nvcf"] {
        let plan = sample::plan(name);
        let document = Document::of(plan.clone());
        let read = Document::read(document.bytes().to_vec()).unwrap_or_else(|refused| panic!("{name}: {refused}"));
        assert_eq!(read, document, "{name}");
        assert_eq!(*read.plan(), plan, "{name}");
    }
}
