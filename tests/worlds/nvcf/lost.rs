//! A home that is lost in the middle: the document names the run that changed it last, so the half-turned key is not taken for one
//! that was never turned.

use serde_json::json;

use super::bao::Server;
use super::site::AT;
use super::site::KEY;
use super::site::Site;
use std::fs;

#[test]
fn a_lost_home_is_noticed_and_the_key_adopted_as_it_stands() {
    let site = Site::new(Server::fresh(), None, 20, &[]);
    let metadata = AT.replace("/data/", "/metadata/");
    let custom = || site.bao.get(&metadata)["data"]["custom_metadata"].clone();
    site.bao.put(&metadata, json!({ "custom_metadata": { "owner": "platform" } }));
    site.plan();
    let said = site.begin();
    assert_eq!(said.code, Some(3), "{}\n{}", said.out, said.err);
    let (new, run) = (site.current(), site.run());
    assert_eq!(custom(), json!({ "owner": "platform", "keyrota_run": run }));
    fs::remove_dir_all(site.stage.at().join(".keyrota")).unwrap();
    for words in [&["plan", "--key", KEY, "-o", "other.json"][..], &["apply", "plan.json"]] {
        let said = site.stage.run(words);
        let text = format!("{}{}", said.out, said.err);
        assert_eq!(said.code, Some(7), "{words:?}: {text}");
        assert!(text.contains(&run) && text.contains("this journal does not know"), "{words:?}: {text}");
    }
    assert_eq!(site.current(), new, "nothing was changed");
    site.stage.done(&["adopt", &format!("{KEY}@{new}")]);
    assert_eq!(custom(), json!({ "owner": "platform" }));
    assert_eq!(site.stage.run(&["plan", "--exit-code"]).code, Some(0));
    site.nobody_failed();
}
