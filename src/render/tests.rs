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

#[test]
fn timing() {
    let t = std::time::Instant::now;
    let a = t();
    let (project, inventory) = sample::many(2000);
    println!("read {:?}", a.elapsed());
    for _ in 0..3 {
        let a = t();
        let plan = sample::plan_of(&project, &inventory, &Wish::WhatIsDue);
        println!("decide+draw {:?}", a.elapsed());
        let a = t();
        let plan = crate::prove::check(plan).unwrap();
        println!("prove {:?}", a.elapsed());
        let a = t();
        let document = Document::of(plan);
        println!("document {:?} {} bytes", a.elapsed(), document.bytes().len());
        let a = t();
        let text = plan::text(&document, Paper::default());
        println!("text {:?} {}", a.elapsed(), text.lines().count());
        let a = t();
        let text = plan::json(&document);
        println!("json {:?} {}", a.elapsed(), text.len());
        let a = t();
        let _ = document.intent();
        println!("intent {:?}", a.elapsed());
        let a = t();
        let bytes = document.bytes().to_vec();
        let read = Document::read(bytes).unwrap();
        println!("read {:?}", a.elapsed());
        drop(read);
    }
}
