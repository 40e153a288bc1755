#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use super::*;
use crate::decision::Wish;
use crate::plan::Document;
use crate::plan::sample;

#[test]
fn look() {
    for name in ["quickstart", "uptrakit", "nvcf"] {
        let document = Document::of(sample::plan(name));
        println!("{}\n=====", plan::text(&document, Paper::default()));
    }
    let (project, inventory) = sample::many(2000);
    let plan = crate::prove::check(sample::plan_of(&project, &inventory, &Wish::WhatIsDue)).unwrap();
    let document = Document::of(plan);
    println!("{}\n=====", plan::text(&document, Paper::default()));
    println!("{}\n=====", plan::markdown(&Document::of(sample::plan("quickstart"))));
}
